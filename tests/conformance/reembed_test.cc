// SPDX-License-Identifier: Apache-2.0
//
// Goal: another model's vectors replace all at once for every reader, ids stay, what was cut short is kept, a kill
// leaves the old state or the new one, and the way back is exact.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "engine/recorded.h"
#include "engine/reembedding.h"
#include "model/scripted/scripted_embedder.h"
#include "testing/store_backends.h"

namespace ragtime {
namespace {

constexpr size_t kFiles = 40;

// Its questions are not near the passages that they are about.
class BackwardsEmbedder : public Embedder {
 public:
  const EmbedderInfo& info() const override { return embedder_.info(); }
  size_t CountTokens(std::string_view text) const override { return embedder_.CountTokens(text); }
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override {
    auto vectors = embedder_.Embed(context, texts, kind);
    if (vectors.ok()) std::reverse(vectors->begin(), vectors->end());
    return vectors;
  }

 private:
  ScriptedEmbedder embedder_{{.model = "after", .dimension = 192}};
};

class ReembedTest : public testing::TestWithParam<StoreBackend> {
 protected:
  void SetUp() override {
    store_ = Open("kb");
    beside_ = Open("beside");
    Fill(0, kFiles);
  }
  std::unique_ptr<Store> Open(const std::string& name) {
    return GetParam().open(folder_.path() / name, Metric::kCosine);
  }
  // Texts of words of their own, so that a question finds them.
  void Fill(size_t first, size_t count) {
    WriteBatch batch;
    batch.settings = Recorded{.root = "/d", .model = "before", .fingerprint = "b"}.ToSettings();
    batch.dimensions = {{"english", 5}};  // Of another embedder, whose vectors stay.
    for (size_t i = first; i < first + count; ++i) {
      DocumentWrite document = RandomDocument(random_, "f" + std::to_string(i), 1 + random_.Below(4), 4);
      for (NewNode& node : document.nodes) {
        node.node.text = "Word" + std::to_string(random_.Below(1u << 30)) + " item" +
                         std::to_string(random_.Below(1u << 30)) + ". " + node.node.text;
        node.vector = Value(before_.Embed({}, std::vector<std::string>{node.node.text}, TextKind::kPassage));
      }
      AddRandomNamed(random_, batch.dimensions, document.nodes);
      batch.documents.push_back(std::move(document));
    }
    ASSERT_OK(store_->BeginWrite(0));
    ASSERT_OK(store_->Commit({}, std::move(batch)));
    store_->EndWrite();
  }
  Result<uint64_t> Embed(Embedder& embedder) {
    RAGTIME_RETURN_IF_ERROR(beside_->BeginWrite(0));
    const auto result = EmbedBeside(*Value(store_->OpenSnapshot()), *beside_, embedder, {});
    beside_->EndWrite();
    return result;
  }
  Result<uint64_t> Exchange(Store& store, const Snapshot& from, ScriptedEmbedder& embedder) {
    RAGTIME_RETURN_IF_ERROR(store.BeginWrite(0));
    const auto result = ExchangeVectors(
        {}, store, from, embedder.info().dimension, [&embedder]() -> Result<Embedder*> { return &embedder; },
        AfterSettings());
    store.EndWrite();
    return result;
  }
  static std::map<std::string, std::string> AfterSettings() {
    return Recorded{.root = "/d", .model = "after", .fingerprint = "a"}.ToSettings();
  }
  static std::map<NodeId, NewNode> Nodes(const Snapshot& snapshot) {
    std::map<NodeId, NewNode> nodes;
    for (const FileRecord& file : Value(snapshot.Files())) {
      for (NewNode& node : Value(snapshot.NodesOf(file.id))) nodes[node.node.id] = std::move(node);
    }
    return nodes;
  }
  // Every node has the vector of `embedder`, and everything else as in `before`.
  static void ExpectVectorsOf(ScriptedEmbedder& embedder, const Snapshot& snapshot,
                              const std::map<NodeId, NewNode>& before) {
    const auto now = Nodes(snapshot);
    ASSERT_EQ(now.size(), before.size());
    for (const auto& [id, node] : now) {
      EXPECT_EQ(node.node, before.at(id).node);
      EXPECT_EQ(node.named, before.at(id).named);
      EXPECT_EQ(node.vector, Value(embedder.Embed({}, std::vector<std::string>{node.node.text}, TextKind::kPassage)));
    }
  }

  const uint64_t seed_ = SeedFromEnvironment();
  const testing::ScopedTrace trace_{__FILE__, __LINE__, "RAGTIME_SEED=" + std::to_string(seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  ScriptedEmbedder before_{{.model = "before", .dimension = 256}};
  ScriptedEmbedder after_{{.model = "after", .dimension = 192}};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Store> beside_;
};

TEST_P(ReembedTest, AllAtOnceForEveryReaderWithTheirIds) {
  const auto reader = Open("kb");
  const auto earlier = Value(reader->OpenSnapshot());
  const auto nodes = Nodes(*earlier);
  EXPECT_EQ(Value(Embed(after_)), nodes.size());
  const auto beside = Value(beside_->OpenSnapshot());
  const Recall now = Value(OwnRecall({}, *earlier, *earlier, before_));
  const Recall then = Value(OwnRecall({}, *earlier, *beside, after_));
  EXPECT_EQ(now.questions, nodes.size());
  EXPECT_EQ(then.questions, nodes.size());
  EXPECT_GT(now.at_10, 0.75);
  EXPECT_GT(then.at_10, 0.75);
  BackwardsEmbedder wrong;
  EXPECT_LT(Value(OwnRecall({}, *earlier, *beside, wrong)).at_10, 0.5) << "a model that finds nothing";
  EXPECT_EQ(Value(Exchange(*store_, *beside, after_)), 0u) << "nothing is embedded twice";
  ExpectVectorsOf(after_, *Value(store_->OpenSnapshot()), nodes);
  ExpectVectorsOf(after_, *Value(reader->OpenSnapshot()), nodes);
  ExpectVectorsOf(before_, *earlier, nodes);  // A question that is under way goes on with what it has.
  EXPECT_EQ(Value(reader->Setting("embed.fingerprint")), "a");
  EXPECT_EQ(Value(reader->Setting("dimension")), "192");
  EXPECT_EQ(Value(reader->OpenSnapshot())->generation(), earlier->generation() + 1);
  ASSERT_OK(Soundness(*reader));
  // Words find as before.
  const auto hits = Value(Value(reader->OpenSnapshot())->SearchKeyword({}, {.text = "word", .limit = 10}));
  EXPECT_EQ(hits, Value(earlier->SearchKeyword({}, {.text = "word", .limit = 10})));
}

TEST_P(ReembedTest, WhatCameInSinceIsEmbeddedAndWhatWentIsGone) {
  ASSERT_OK(Embed(after_));
  Fill(kFiles - 3, 6);  // Three change, three come.
  const auto file = Value(Value(store_->OpenSnapshot())->FindFile("f1"));
  ASSERT_OK(store_->BeginWrite(0));
  ASSERT_OK(store_->Commit({}, WriteBatch{.erased = {file->id}}));
  store_->EndWrite();
  const auto nodes = Nodes(*Value(store_->OpenSnapshot()));
  const size_t embedded = after_.texts_embedded();
  const uint64_t late = Value(Exchange(*store_, *Value(beside_->OpenSnapshot()), after_));
  EXPECT_GE(late, 6u);
  EXPECT_EQ(after_.texts_embedded() - embedded, late);
  ExpectVectorsOf(after_, *Value(store_->OpenSnapshot()), nodes);
  ASSERT_OK(Soundness(*store_));
}

TEST_P(ReembedTest, WhatWasEmbeddedIsKeptWhenTheModelFails) {
  size_t calls = 0;
  ScriptedEmbedder failing({.model = "after", .dimension = 192, .fail = [&calls](std::span<const std::string>) {
                              return ++calls > 12 ? UnavailableError("the model is gone") : Status();
                            }});
  EXPECT_THAT(Embed(failing), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(Value(Value(beside_->OpenSnapshot())->Statistics()).nodes, failing.texts_embedded());
  const auto nodes = Nodes(*Value(store_->OpenSnapshot()));
  EXPECT_EQ(Value(Embed(after_)), nodes.size() - failing.texts_embedded());
  EXPECT_EQ(Value(Embed(after_)), 0u);
}

TEST_P(ReembedTest, ThereAndBackIsExact) {
  const auto nodes = Nodes(*Value(store_->OpenSnapshot()));
  ASSERT_OK(store_->Backup({}, folder_.path() / "previous", /*link=*/true));
  ASSERT_OK(Embed(after_));
  ASSERT_OK(Exchange(*store_, *Value(beside_->OpenSnapshot()), after_));
  const auto previous =
      Value(EmbeddedStore::Open({.uri = (folder_.path() / "previous").string()}, RealIndexes(), false));
  EXPECT_EQ(Value(Exchange(*store_, *Value(previous->OpenSnapshot()), before_)), 0u);
  ExpectVectorsOf(before_, *Value(store_->OpenSnapshot()), nodes);
  for (const auto& [id, node] : Nodes(*Value(store_->OpenSnapshot()))) EXPECT_EQ(node.vector, nodes.at(id).vector);
}

TEST_P(ReembedTest, AKillLeavesTheOldState) {
  const auto nodes = Nodes(*Value(store_->OpenSnapshot()));
  store_.reset();
  beside_.reset();
  for (int round = 0; round < 5; ++round) {
    const size_t killed_at = random_.Below(nodes.size());
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = Open("kb");
      const auto empty = Open("none" + std::to_string(round));
      size_t calls = 0;
      ScriptedEmbedder deadly({.model = "after", .dimension = 192, .fail = [&](std::span<const std::string>) {
                                 if (calls++ == killed_at) ::kill(::getpid(), SIGKILL);
                                 return Status();
                               }});
      (void)Exchange(*store, *Value(empty->OpenSnapshot()), deadly);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    store_ = Open("kb");
    ExpectVectorsOf(before_, *Value(store_->OpenSnapshot()), nodes);
    EXPECT_EQ(Value(store_->Setting("embed.model")), "before");
    ASSERT_OK(store_->BeginWrite(0));  // Sweeps what the killed one left.
    store_->EndWrite();
    ASSERT_OK(Soundness(*store_));
    store_.reset();
  }
}

std::vector<StoreBackend> EmbeddedBackends() {
  std::vector<StoreBackend> backends = StoreBackends();
  std::erase_if(backends, [](const StoreBackend& backend) { return !backend.name.starts_with("Embedded"); });
  std::erase_if(backends, [](const StoreBackend& backend) { return backend.name == "EmbeddedNaive"; });
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Stores, ReembedTest, testing::ValuesIn(EmbeddedBackends()),
                         [](const auto& backend) { return backend.param.name; });

TEST(ReembedMapTest, IsToldWhereItCannotBe) {
  MapStore map{StoreConfig{}, nullptr};
  const Status refused = map.ReplaceVectors({}, {});
  EXPECT_THAT(refused, StatusIs(StatusCode::kUnimplemented));
  EXPECT_FALSE(refused.remedy().empty());
}

}  // namespace
}  // namespace ragtime
