// SPDX-License-Identifier: Apache-2.0
//
// Goal: a Milvus Lite that is killed in the middle of a commit loses nothing that was acknowledged.
// Method: the real server, with so little room in memory that it also writes its files in the middle of a commit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "store/milvus/lite_process.h"
#include "store/milvus/milvus.h"
#include "testing/killed_server.h"

namespace ragtime {
namespace {

TEST(MilvusStoreTest, KilledInTheMiddleOfACommitItLosesNothingThatWasAcknowledged) {
  ASSERT_EQ(::setenv("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", "1000000", 1), 0);
  const TemporaryFolder folder;
  std::unique_ptr<LiteProcess> process;
  const auto start = [&]() -> std::shared_ptr<CollectionServer> {
    process.reset();
    process = Value(LiteProcess::Start({}, folder.path() / "milvus", RAGTIME_TEST_SERVERS "/bin/milvus-lite"));
    return Value(
        OpenMilvus({}, {.uri = process->uri(), .timeout_ms = 60000, .retry = {.attempts_max = 2, .backoff_ms = 50}}));
  };
  // Each in several requests.
  LosesNothingThatWasAcknowledged({.start = start,
                                   .kill = [&] { process->Kill(); },
                                   .named = "milvus http://127.0.0.1",
                                   .large_commit_documents = 500});
}

}  // namespace
}  // namespace ragtime
