// SPDX-License-Identifier: Apache-2.0
//
// Goal: a knowledge base that an earlier Ragtime wrote opens, holds what it held, and takes the next commit.
// Method: tests/golden/kb/NAME is one, NAME.txt says in words what is in it. With RAGTIME_WRITE_GOLDEN=1 the words are
// written instead of compared; the folders are made as tests/golden/kb/README.md says and never changed.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "store/embedded/embedded_store.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

std::string Hits(const std::vector<Hit>& hits) {
  std::string text;
  for (const Hit& hit : hits) {
    std::array<char, 64> one{};
    std::snprintf(one.data(), one.size(), " %lld:%.3f", static_cast<long long>(hit.node_id), hit.score);
    text += one.data();
  }
  return text;
}

std::string VectorText(const std::vector<float>& vector) {
  std::string text;
  for (const float value : vector) {
    std::array<char, 32> one{};
    std::snprintf(one.data(), one.size(), "%.5g ", value);
    text += one.data();
  }
  return text;
}

// Everything that the snapshot can be asked, in lines.
std::string Describe(const Snapshot& snapshot) {
  std::ostringstream out;
  const StoreStatistics statistics = Value(snapshot.Statistics());
  out << "generation " << snapshot.generation() << ", " << statistics.files << " files, " << statistics.folders
      << " folders, " << statistics.nodes << " nodes\n";
  for (const FileRecord& file : Value(snapshot.Files())) {
    out << "file " << file.id << " " << file.file_path << " " << file.file_type << " " << file.file_size << " "
        << file.parent_id.value_or(0) << " " << file.content_hash << " " << FileStatusName(file.status) << " "
        << file.nodes;
    for (const auto& [name, value] : file.fields) out << " " << name << "=" << ToString(value);
    out << "\n";
    for (const NewNode& node : Value(snapshot.NodesOf(file.id))) {
      out << "  node " << node.node.id << " " << node.node.group << " " << node.node.position << " "
          << HashHex(node.node.text) << " " << node.node.heading.size() << " "
          << (node.node.bytes ? node.node.bytes->start : 0) << " " << VectorText(node.vector) << "\n";
    }
  }
  for (size_t axis = 0; axis < 8; ++axis) {
    std::vector<float> vector(8, 0.1f);
    vector[axis] = 1;
    out << "vector " << axis << Hits(Value(snapshot.SearchVector({}, {.vector = vector, .limit = 5}))) << "\n";
  }
  for (const char* word : {"backup", "restore", "index", "数据库", "备份", "none"}) {
    out << "keyword " << word << Hits(Value(snapshot.SearchKeyword({}, {.text = word, .limit = 5}))) << "\n";
  }
  for (const char* text : {"year >= 2020", "author = \"Li\" and not draft", "标签 is null or score < 0", "page > 3"}) {
    const Filter filter = Value(Filter::Parse(text, NodeFields(snapshot.fields())));
    out << "filter " << text << ": " << Value(snapshot.CountNodes({}, filter))
        << Hits(Value(snapshot.SearchVector({}, {.vector = std::vector<float>(8, 0.3f), .limit = 5, .filter = filter})))
        << "\n";
  }
  return out.str();
}

TEST(GoldenKnowledgeBase, EachHoldsWhatItHeldAndGoesOn) {
  const fs::path golden = RAGTIME_SOURCE_DIR "/tests/golden/kb";
  const bool write = std::getenv("RAGTIME_WRITE_GOLDEN") != nullptr;
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(golden)) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().string());
    ++seen;
    const TemporaryFolder folder;
    const fs::path kb = folder.path() / "kb";
    fs::create_directories(folder.path());
    fs::copy(entry.path(), kb, fs::copy_options::recursive);
    const IndexSet indexes{.vector = std::make_shared<FlatIndexType>(),
                           .keyword = std::make_shared<Bm25IndexType>(),
                           .fields = std::make_shared<ColumnsType>()};
    auto store = Value(EmbeddedStore::Open({.uri = kb.string()}, indexes, false));
    const std::string described = Describe(*Value(store->OpenSnapshot()));
    const fs::path words = entry.path().string() + ".txt";
    if (write) std::ofstream(words) << described;
    EXPECT_EQ(described, Value(ReadFile(words)));
    EXPECT_OK(Soundness(*store));
    ASSERT_OK(store->BeginWrite(0));
    ASSERT_OK(store->Compact({}));
    EXPECT_EQ(Describe(*Value(store->OpenSnapshot())), described) << "merging changes no answer";
    ASSERT_OK(store->Commit({}, {.documents = {OneNodeDocument("new.md", "walrus", std::vector<float>(8, 1.0f))}}));
    EXPECT_EQ(Value(Value(store->OpenSnapshot())->SearchKeyword({}, {.text = "walrus"})).size(), 1u);
    EXPECT_OK(Soundness(*store));
  }
  EXPECT_GE(seen, 1);
}

}  // namespace
}  // namespace ragtime
