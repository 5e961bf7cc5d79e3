// SPDX-License-Identifier: Apache-2.0
//
// Goal: what fails or is interrupted is named, what was done before it stays, and the next ingestion goes on.
#include "ingest/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "ingest/pipeline_fixture.h"

namespace ragtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(PipelineTest, ReportsFilesThatFailAndTriesThemAgain) {
  Write("bad.txt", std::string("binary\0data", 11));
  Write("good.txt", "Good text.");
  IngestReport report = MustIngest();
  ASSERT_EQ(report.failed.size(), 1u);
  EXPECT_EQ(report.failed[0].file, "bad.txt");
  EXPECT_THAT(report.failed[0].status.message(), HasSubstr("NUL bytes at offset 6"));
  EXPECT_EQ(report.files_added, 1u);
  EXPECT_EQ(Row("bad.txt").status, FileStatus::kFailed);
  EXPECT_THAT(Row("bad.txt").error, HasSubstr("looks binary"));
  const uint64_t generation = store_.state.generation;
  EXPECT_EQ(MustIngest().failed.size(), 1u);
  EXPECT_EQ(store_.state.generation, generation);
  Write("bad.txt", "Text now.", 500);
  EXPECT_THAT(MustIngest().failed, IsEmpty());
  EXPECT_EQ(Row("bad.txt").status, FileStatus::kReady);
  EXPECT_EQ(Text("bad.txt"), "Text now.|");
}

TEST_F(PipelineTest, KeepsTheNodesOfWhatCannotBeReadForNow) {
  Write("a.txt", "Text of a.");
  Write("shut/b.txt", "Text of b.");
  MustIngest();
  fs::permissions(root_ / "a.txt", fs::perms::none);
  SetAge("a.txt", 10);
  fs::permissions(root_ / "shut", fs::perms::none);
  const uid_t user = ::geteuid();  // Permission bits do not hold root back.
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto result = Ingest();
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(root_ / "shut", fs::perms::all);
  fs::permissions(root_ / "a.txt", fs::perms::all);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  ASSERT_EQ(result->failed.size(), 2u);
  EXPECT_EQ(result->files_deleted, 0u);
  EXPECT_EQ(Row("a.txt").status, FileStatus::kFailed);
  EXPECT_EQ(Text("a.txt"), "Text of a.|");
  EXPECT_EQ(Text("shut/b.txt"), "Text of b.|");
  MustIngest();
  EXPECT_EQ(Row("a.txt").status, FileStatus::kReady);
}

TEST_F(PipelineTest, RefusesEmptyAndMissingFoldersByName) {
  EXPECT_EQ(Ingest().status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Ingest().status().message(), HasSubstr(root_.string() + " is empty"));
  Write("a.bin", "?");
  EXPECT_THAT(Ingest().status().message(), HasSubstr("but 1 bin"));
  request_.paths = {root_ / "missing"};
  EXPECT_THAT(Ingest().status().message(), HasSubstr("missing"));
  request_.paths = {};
  EXPECT_EQ(Ingest().status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(store_.locked);
}

TEST_F(PipelineTest, NamesTheLimitThatAFileIsOver) {
  Write("a.txt", Sentences("large", 100));
  Write("b.txt", "Small.");
  request_.limits.file_bytes_max = 1000;
  EXPECT_THAT(MustIngest().failed[0].status.message(), HasSubstr("larger than the limit of 1000 bytes"));
  request_.limits.file_bytes_max = 1 << 20;
  request_.limits.text_bytes_max = 1000;
  EXPECT_THAT(MustIngest().failed[0].status.message(), HasSubstr("text is larger than the limit of 1000 bytes"));
  request_.limits.text_bytes_max = 1 << 20;
  store_.traits_.commit_nodes_max = 5;
  const IngestReport report = MustIngest();
  EXPECT_THAT(report.failed[0].status.message(), HasSubstr("more nodes than the 5"));
  EXPECT_FALSE(report.failed[0].status.remedy().empty());
  EXPECT_EQ(Text("b.txt"), "Small.|");
}

TEST_F(PipelineTest, KeepsWhatIsDoneWhenTheEmbedderFails) {
  for (int i = 0; i < 30; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  embedder_.fail_after_texts = 20;
  const auto failed = Ingest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failed.status().remedy(), "load it again");
  const size_t stored = store_.state.files.size();
  EXPECT_GT(stored, 5u);
  EXPECT_THAT(failed.status().message(), HasSubstr("stored and safe are " + std::to_string(stored) + " of 30 files"));
  EXPECT_FALSE(store_.locked);
  embedder_.fail_after_texts = SIZE_MAX;
  EXPECT_EQ(MustIngest().files_added, 30 - stored);
}

TEST_F(PipelineTest, StopsWhenCancelledAndGoesOnLater) {
  for (int i = 0; i < 30; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  request_.limits.commit_nodes = 4;
  std::stop_source source;
  options_.context.stop = source.get_token();
  int calls = 0;
  embedder_.on_call = [&] {
    if (++calls == 6) source.request_stop();
  };
  const auto cancelled = Ingest();
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(cancelled.status().message(), HasSubstr("stored and safe are"));
  EXPECT_FALSE(cancelled.status().remedy().empty());
  EXPECT_FALSE(store_.locked);
  const size_t stored = store_.state.files.size();
  EXPECT_GT(stored, 0u);
  EXPECT_LT(stored, 30u);
  options_.context = {};
  EXPECT_EQ(MustIngest().files_added, 30 - stored);
}

TEST_F(PipelineTest, SaysWhatIsSafeWhenACommitFails) {
  for (int i = 0; i < 20; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  request_.limits.commit_nodes = 4;
  store_.commits_left = 3;
  const auto failed = Ingest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(failed.status().message(),
              HasSubstr("stored and safe are " + std::to_string(store_.state.files.size()) + " of 20"));
  store_.commits_left = SIZE_MAX;
  MustIngest();
  EXPECT_EQ(Files().size(), 20u);
}

TEST_F(PipelineTest, RefusesVectorsThatAreNone) {
  Write("a.txt", "Fine text.");
  Write("b.txt", Sentences("fine", 8) + "The bad one.");
  embedder_.poison = "bad one";
  const auto poisoned = Ingest();
  EXPECT_THAT(poisoned.status().message(), HasSubstr("not finite for node"));
  EXPECT_THAT(poisoned.status().message(), HasSubstr("b.txt"));
  embedder_.drop_one = true;
  EXPECT_THAT(Ingest().status().message(), HasSubstr("of dimension 4 gave"));
}

TEST_F(PipelineTest, WaitsForNobodyElsesLock) {
  Write("a.txt", "Text.");
  store_.locked = true;
  EXPECT_EQ(Ingest().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store_.locked);
}

TEST_F(PipelineTest, WarnsOfEncodingsAndFilesWithoutText) {
  Write("a.txt", "caf\xe9");
  Write("empty.txt", "");
  const IngestReport report = MustIngest();
  ASSERT_EQ(report.warnings.size(), 2u);
  EXPECT_EQ(report.warnings[0].code, "encoding");
  EXPECT_THAT(report.warnings[0].message, HasSubstr("a.txt"));
  EXPECT_EQ(report.warnings[1].code, "no_text");
  EXPECT_EQ(Row("empty.txt").status, FileStatus::kReady);
}

}  // namespace
}  // namespace ragtime
