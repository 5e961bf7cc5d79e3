// SPDX-License-Identifier: Apache-2.0
//
// Goal: one holder at a time, named to those who wait; a holder that dies leaves the lock free.
#include "store/writer_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "base/stopwatch.h"

namespace ragtime {
namespace {

class WriterLockTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("ragtime_lock_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path file() const { return folder_ / "LOCK"; }
  std::filesystem::path folder_;
};

TEST_F(WriterLockTest, NamesTheHolderAfterTheTimeout) {
  const auto first = WriterLock::Take(file(), 0);
  ASSERT_TRUE(first.ok());
  const Stopwatch watch;
  const auto second = WriterLock::Take(file(), 100);
  EXPECT_GE(watch.ElapsedMs(), 100);
  ASSERT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find("process " + std::to_string(::getpid())), std::string::npos);
  EXPECT_NE(second.status().message().find("writer_lock_test"), std::string::npos) << "the command";
  EXPECT_NE(second.status().message().find(" UTC"), std::string::npos);
  EXPECT_FALSE(second.status().remedy().empty());
}

TEST_F(WriterLockTest, AWaiterGetsItAsSoonAsItIsFree) {
  auto first = std::make_unique<Result<WriterLock>>(WriterLock::Take(file(), 0));
  std::thread waiter([this] { EXPECT_TRUE(WriterLock::Take(file(), 10000).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const Stopwatch watch;
  first.reset();
  waiter.join();
  EXPECT_LT(watch.ElapsedMs(), 5000);
}

TEST_F(WriterLockTest, AKilledHolderLeavesItFree) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = WriterLock::Take(file(), 0);
    const char ok = lock.ok() ? 1 : 0;
    if (::write(ready[1], &ok, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char ok = 0;
  ASSERT_EQ(::read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(WriterLock::Take(file(), 0).status().code(), StatusCode::kFailedPrecondition);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(WriterLock::Take(file(), 1000).ok());
}

TEST_F(WriterLockTest, AMissingFolderIsAnErrorThatNamesIt) {
  const auto lock = WriterLock::Take(folder_ / "none" / "LOCK", 0);
  EXPECT_EQ(lock.status().code(), StatusCode::kNotFound);
  EXPECT_NE(lock.status().message().find("none"), std::string::npos);
}

}  // namespace
}  // namespace ragtime
