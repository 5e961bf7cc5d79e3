// SPDX-License-Identifier: Apache-2.0
//
// Goal: after an ingestion the store holds what the folder holds, whatever changed in between.
#include "ingest/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "ingest/pipeline_fixture.h"

namespace ragtime {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST_F(PipelineTest, TakesUpAFolder) {
  Write("b.txt", "Text of b.");
  Write("a/x.md", "# Title\n\nText of x.");
  Write("a/y.html", "<title>Y</title><p>Text of y.</p>");
  Write("skip.bin", "?");
  std::vector<IngestProgress> progress;
  options_.on_progress = [&](const IngestProgress& p) { progress.push_back(p); };
  const IngestReport report = MustIngest();
  EXPECT_THAT(Files(), ElementsAre("a/x.md", "a/y.html", "b.txt"));
  EXPECT_EQ(report.files_added, 3u);
  EXPECT_EQ(report.files_skipped, 1u);
  EXPECT_THAT(report.skipped_types, ElementsAre(Pair("bin", 1u)));
  EXPECT_EQ(report.nodes_added, 3u);
  EXPECT_GT(report.source_bytes, 0u);
  EXPECT_EQ(store_.seals, 1u);
  const FileRecord& row = Row("a/y.html");
  EXPECT_EQ(row.file_name, "y.html");
  EXPECT_EQ(row.file_type, "html");
  EXPECT_EQ(row.status, FileStatus::kReady);
  EXPECT_EQ(row.content_hash, HashHex("<title>Y</title><p>Text of y.</p>"));
  EXPECT_EQ(row.nodes, 1u);
  EXPECT_EQ(row.encoding, "UTF-8");
  EXPECT_LT(Row("a/x.md").id, Row("a/y.html").id);
  EXPECT_LT(row.id, Row("b.txt").id);
  EXPECT_THAT(store_.state.nodes.at(row.id)[0].node.heading, ElementsAre("Y"));
  EXPECT_EQ(progress.front().stage, "scan");
  EXPECT_EQ(progress.front().files_total, 3u);
  EXPECT_EQ(progress.back().stage, "done");
  EXPECT_EQ(progress.back().files_done, 3u);
  EXPECT_EQ(progress.back().nodes_done, 3u);
  for (const char* stage : {"scan", "read", "embed", "commit", "seal", "total"})
    EXPECT_TRUE(report.timings_ms.contains(stage)) << stage;
}

TEST_F(PipelineTest, ReadsNothingAgainThatDidNotChange) {
  Write("a.txt", "Text of a.");
  Write("new.txt", "Written now.", 0);
  MustIngest();
  const uint64_t generation = store_.state.generation;
  const size_t embedded = embedder_.embedded;
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_unchanged, 2u);
  EXPECT_EQ(report.files_added + report.files_changed + report.files_deleted + report.source_bytes, 0u);
  EXPECT_EQ(store_.state.generation, generation);
  EXPECT_EQ(embedder_.embedded, embedded);
}

TEST_F(PipelineTest, ComparesContentsWhereTimesProveNothing) {
  Write("touched.txt", "Same text.");
  Write("same_time.txt", "Text one.", 0);
  MustIngest();
  const DocumentId id = Row("touched.txt").id;
  SetAge("touched.txt", 50);
  // Another content of the same size and the very same time.
  const auto time = fs::last_write_time(root_ / "same_time.txt");
  std::ofstream(root_ / "same_time.txt") << "Text two.";
  fs::last_write_time(root_ / "same_time.txt", time);
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_unchanged, 1u);
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(Row("touched.txt").id, id);
  EXPECT_EQ(Text("same_time.txt"), "Text two.|");
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
}

TEST_F(PipelineTest, EmbedsOnlyTheChangedNodesOfAChangedFile) {
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("second", 10));
  MustIngest();
  const DocumentId id = Row("a.md").id;
  const size_t embedded = embedder_.embedded;
  const size_t nodes = store_.state.nodes.at(id).size();
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("third", 10), 500);
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(report.nodes_added, nodes);
  EXPECT_EQ(report.nodes_reused, nodes / 2);
  EXPECT_EQ(embedder_.embedded - embedded, nodes - nodes / 2);
  EXPECT_NE(Row("a.md").id, id);
  EXPECT_FALSE(store_.state.nodes.contains(id));
}

TEST_F(PipelineTest, ANewEmbedderEmbedsTheNodesThatAreThere) {
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("second", 10));
  MustIngest();
  const size_t nodes = store_.state.nodes.at(Row("a.md").id).size();
  const size_t embedded = embedder_.embedded;
  HashEmbedder english;
  request_.embedders = {{"english", &english}};
  request_.settings = {{"embedders", "{}"}};
  request_.dimensions = {{"english", kDimension}};
  const auto ingest = [&](std::vector<std::string> keys) {
    const NodeGroupConfig group{.name = "sentence-12", .embed = true, .embed_keys = std::move(keys)};
    const NodeGroups groups({group},
                            {.count_tokens = [this](std::string_view text) { return embedder_.CountTokens(text); },
                             .size_tokens = 12,
                             .overlap_tokens = 3});
    const auto report = IngestPaths(request_, store_, embedder_, groups, readers_, pool_, options_);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
  };
  ingest({"english"});
  EXPECT_EQ(store_.declared, request_.dimensions);
  EXPECT_EQ(embedder_.embedded, embedded) << "known texts are not embedded again";
  EXPECT_EQ(english.embedded, nodes);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) {
    EXPECT_EQ(node.vector, HashVector(node.node.text));
    EXPECT_EQ(node.named.at("english"), HashVector(node.node.text));
  }
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("third", 10), 500);
  ingest({"english"});
  EXPECT_EQ(english.embedded, nodes + nodes / 2);
  ingest({});
  EXPECT_EQ(english.embedded, nodes + nodes / 2);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) EXPECT_TRUE(node.named.empty());
  english.fail_after_texts = 0;
  const NodeGroupConfig group{.name = "sentence-12", .embed = true, .embed_keys = {"english"}};
  const NodeGroups groups({group}, {.count_tokens = [](std::string_view) { return size_t{1}; }});
  EXPECT_EQ(IngestPaths(request_, store_, embedder_, groups, readers_, pool_, options_).status().code(),
            StatusCode::kUnavailable);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) EXPECT_TRUE(node.named.empty());
}

TEST_F(PipelineTest, KeepsTheIdsOfMovedFilesAndErasesDeletedOnes) {
  Write("a.txt", "Text of a.");
  Write("b.txt", "Text of b.");
  Write("c.txt", "Text of c.");
  MustIngest();
  const DocumentId id = Row("a.txt").id;
  const size_t embedded = embedder_.embedded;
  fs::create_directories(root_ / "sub");
  fs::rename(root_ / "a.txt", root_ / "sub/z.txt");
  fs::remove(root_ / "b.txt");
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_moved, 1u);
  EXPECT_EQ(report.files_deleted, 1u);
  EXPECT_EQ(report.files_added, 0u);
  EXPECT_THAT(Files(), ElementsAre("c.txt", "sub/z.txt"));
  EXPECT_EQ(Row("sub/z.txt").id, id);
  EXPECT_EQ(Row("sub/z.txt").file_name, "z.txt");
  EXPECT_EQ(embedder_.embedded, embedded);
}

TEST_F(PipelineTest, LeavesAloneWhatItWasNotAskedAbout) {
  Write("one/a.txt", "Text of a.");
  Write("one2/b.txt", "Text of b.");
  Write("two/c.txt", "Text of c.");
  MustIngest();
  fs::remove(root_ / "one2/b.txt");
  fs::remove(root_ / "two/c.txt");
  request_.paths = {root_ / "one"};
  EXPECT_EQ(MustIngest().files_deleted, 0u);
  EXPECT_EQ(Files().size(), 3u);
  request_.paths = {root_ / "two"};
  EXPECT_EQ(MustIngest().files_deleted, 1u);
  EXPECT_THAT(Files(), ElementsAre("one/a.txt", "one2/b.txt"));
}

TEST_F(PipelineTest, CommitsInBatchesOfWholeFiles) {
  for (int i = 0; i < 40; ++i) Write("f" + std::to_string(100 + i) + ".txt", Sentences("word" + std::to_string(i), 9));
  Write("giant.txt", Sentences("giant", 200));
  store_.traits_.commit_nodes_max = 120;
  request_.limits.commit_nodes = 20;
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 16;
  request_.limits.in_flight_bytes_max = 1000;
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_added, 41u);
  EXPECT_GT(store_.commit_nodes.size(), 5u);
  DocumentId last = 0;
  for (const auto& [path, row] : store_.state.files) {
    EXPECT_GT(row.id, last);
    last = row.id;
    EXPECT_EQ(row.nodes, store_.state.nodes.at(row.id).size());
  }
}

// The oracle is a store that sees the folder for the first time.
TEST_F(PipelineTest, HoldsWhatAFreshIngestionWouldAfterAnyChanges) {
  std::mt19937 random(9);
  const std::vector<std::string> names = {"a.txt", "b.md", "c.html", "d/a.txt", "d/e/f.md", "g.txt", "h/i.txt"};
  Write("always.txt", "Always here.");
  for (int round = 0; round < 40; ++round) {
    for (int change = 0; change < 4; ++change) {
      const std::string name = names[random() % names.size()];
      const std::string other = names[random() % names.size()];
      switch (random() % 4) {
        case 0:
          fs::remove(root_ / name);
          break;
        case 1:
          if (fs::exists(root_ / name) && name != other) {
            fs::create_directories((root_ / other).parent_path());
            fs::rename(root_ / name, root_ / other);
          }
          break;
        default:
          Write(name, Sentences("w" + std::to_string(random() % 5), static_cast<int>(random() % 8)),
                static_cast<int64_t>(random() % 4));
          break;
      }
    }
    MustIngest();
    RecordingStore fresh;
    const SentenceSplitter splitter(12, 3, [this](std::string_view text) { return embedder_.CountTokens(text); });
    ASSERT_TRUE(IngestPaths(request_, fresh, embedder_, splitter, readers_, pool_).ok());
    ASSERT_EQ(store_.state.files.size(), fresh.state.files.size());
    for (const auto& [path, row] : fresh.state.files) {
      ASSERT_TRUE(store_.state.files.contains(path)) << path;
      const FileRecord& ours = Row(path);
      EXPECT_EQ(ours.content_hash, row.content_hash);
      EXPECT_EQ(ours.modified_time_ns, row.modified_time_ns);
      EXPECT_EQ(ours.file_name, row.file_name);
      const auto& nodes = store_.state.nodes.at(ours.id);
      const auto& expected = fresh.state.nodes.at(row.id);
      ASSERT_EQ(nodes.size(), expected.size());
      for (size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(nodes[i].node, expected[i].node);
    }
    ASSERT_EQ(store_.state.nodes.size(), fresh.state.nodes.size());
  }
}

}  // namespace
}  // namespace ragtime
