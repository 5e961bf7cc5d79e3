// SPDX-License-Identifier: Apache-2.0
//
// Goal: a knowledge base that stays open goes on with the new model when another one exchanges it, and nobody writes
// vectors of the old one. With the real models.
#include <gtest/gtest.h>

#include <filesystem>

#include "ragtime/knowledge_base.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

constexpr char kMinilm[] = "all-minilm-l6-v2";

TEST(FollowModelTest, AnOpenKnowledgeBaseGoesOnWithTheNewModel) {
  const TemporaryFolder folder;
  std::filesystem::copy(std::filesystem::path(RAGTIME_SOURCE_DIR) / "examples/documents", folder.path() / "docs",
                        std::filesystem::copy_options::recursive);
  Config config;
  config.store.uri = (folder.path() / "kb").string();
  config.models_path = RAGTIME_TEST_MODELS;
  const auto writer = Value(KnowledgeBase::Open(config));
  ASSERT_OK(writer->Ingest({folder.path() / "docs"}));
  const auto reader = Value(KnowledgeBase::Open(config));
  Config says_old = config;
  says_old.embed.model = "multilingual-e5-small";
  says_old.explicit_keys.emplace_back("embed.model");
  const auto stubborn = Value(KnowledgeBase::Open(says_old));
  const SearchRequest request{.query = "What does a replacement for a lost card cost?", .route = Route::kVector};
  SearchResult before = Value(reader->Search(request));
  ASSERT_OK(stubborn->Search(request));

  const ReembedReport report = Value(KnowledgeBase::Reembed(config, kMinilm, {.force = true}));
  EXPECT_GT(report.nodes, 0u);
  SearchResult after = Value(reader->Search(request));
  ASSERT_FALSE(after.hits.empty());
  EXPECT_EQ(after.hits[0].file, "en/borrowing.md");
  EXPECT_NE(after.hits[0].scores.at("vector"), before.hits[0].scores.at("vector")) << "other vectors";
  const auto fresh = Value(KnowledgeBase::Open(config));
  EXPECT_EQ(Value(fresh->Search(request)).hits[0].scores.at("vector"), after.hits[0].scores.at("vector"));
  EXPECT_THAT(stubborn->Search(request), StatusIs(StatusCode::kFailedPrecondition));

  // The writer, opened before, ingests with the new one.
  std::filesystem::copy_file(folder.path() / "docs/en/makerspace.md", folder.path() / "docs/en/copy.md");
  ASSERT_OK(writer->Ingest({folder.path() / "docs"}));
  EXPECT_EQ(Value(writer->Statistics()).model, kMinilm);
  SearchResult found = Value(reader->Search({.query = "Can I cut PVC with the laser?", .route = Route::kVector}));
  ASSERT_GE(found.hits.size(), 2u);
  EXPECT_EQ(found.hits[0].scores.at("vector"), found.hits[1].scores.at("vector"))
      << "both copies have vectors of one model";

  const ReembedReport undone = Value(KnowledgeBase::UndoReembed(config));
  EXPECT_GT(undone.nodes_embedded, 0u) << "what came in since";
  SearchResult back = Value(reader->Search(request));
  EXPECT_EQ(back.hits[0].scores.at("vector"), before.hits[0].scores.at("vector"));
  EXPECT_EQ(back.hits[0].node.id, before.hits[0].node.id);
  ASSERT_OK(stubborn->Search(request));
  EXPECT_TRUE(Value(reader->Verify()).damages.empty());
}

}  // namespace
}  // namespace ragtime
