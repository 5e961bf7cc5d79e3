// SPDX-License-Identifier: Apache-2.0
//
// Goal: the small parts that everything rests on do what their headers say.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/child_process.h"
#include "base/count_bits.h"
#include "base/environment.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/lru.h"
#include "base/median.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "ragtime/context.h"
#include "ragtime/document.h"

namespace ragtime {
namespace {

TEST(Status, AnnotatesAndKeepsTheRemedy) {
  const Status status = NotFoundError("no file", "check the path").Annotate("reading a.md");
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.ToString(), "not_found: reading a.md: no file (check the path)");
  EXPECT_EQ(status.WithRemedy("other").remedy(), "check the path");
  EXPECT_TRUE(Status().Annotate("x").ok());
}

TEST(Result, HoldsAValueOrAStatus) {
  auto half = [](int n) -> Result<int> {
    if (n % 2 != 0) return InvalidArgumentError("odd");
    return n / 2;
  };
  auto quarter = [&](int n) -> Result<int> {
    RAGTIME_ASSIGN_OR_RETURN(const int h, half(n));
    return half(h);
  };
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).status().message(), "odd");
}

TEST(Context, TellsCancellationAndDeadlineApart) {
  std::stop_source source;
  Context context{.stop = source.get_token()};
  EXPECT_TRUE(context.Check().ok());
  source.request_stop();
  EXPECT_EQ(context.Check().code(), StatusCode::kCancelled);
  Context late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_EQ(late.Check().code(), StatusCode::kDeadlineExceeded);
}

TEST(ThreadPool, ParallelForVisitsEachIndexOnceAlsoWhenNested) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> visits(100);
  pool.ParallelFor(10, [&](size_t i) { pool.ParallelFor(10, [&, i](size_t j) { visits[i * 10 + j]++; }); });
  for (const auto& count : visits) EXPECT_EQ(count.load(), 1);
  pool.ParallelFor(0, [](size_t) { FAIL(); });
}

TEST(BoundedQueue, DeliversInOrderAndEndsWhenClosed) {
  BoundedQueue<int> queue(2);
  std::thread producer([&] {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(queue.Push(i));
    queue.Close();
    EXPECT_FALSE(queue.Push(100));
  });
  int expected = 0;
  while (auto item = queue.Pop()) EXPECT_EQ(*item, expected++);
  EXPECT_EQ(expected, 100);
  producer.join();
}

TEST(CountBits, CountsThoseOfEveryWord) {
  std::mt19937_64 random(4);
  std::vector<uint64_t> words(37);
  uint64_t expected = 0;
  for (size_t count = 0; count <= words.size(); ++count) {
    EXPECT_EQ(CountBits(std::span(words).first(count)), expected) << count;
    if (count == words.size()) break;
    words[count] = count == 0 ? ~uint64_t{0} : random();
    for (size_t bit = 0; bit < 64; ++bit) expected += words[count] >> bit & 1;
  }
}

TEST(Lru, WhatWasNotUsedForLongestMakesRoom) {
  Lru<int> values(30);
  for (int n = 0; n < 10; ++n) {
    values.Keep(StrCat("key ", n), n, 10);
    ASSERT_NE(values.Find("key 0"), nullptr) << "what is used stays, at " << n;
    EXPECT_LE(values.cost(), 30u);
  }
  EXPECT_EQ(values.Find("key 7"), nullptr);
  ASSERT_NE(values.Find("key 8"), nullptr);
  EXPECT_EQ(*values.Find("key 8"), 8);
  values.Keep("key 8", 88, 10);
  EXPECT_EQ(*values.Find("key 8"), 8) << "what is known keeps its value";
  values.Keep("large", 1, 31);
  EXPECT_EQ(values.cost(), 31u);
  ASSERT_NE(values.Find("large"), nullptr) << "the newest stays, alone";
  EXPECT_EQ(values.Find("key 8"), nullptr);
  values.Keep("small", 2, 5);
  EXPECT_EQ(values.Find("large"), nullptr);
  EXPECT_EQ(values.cost(), 5u);
}

TEST(Files, WrittenBytesAreReadBackMappedAndWhole) {
  const auto folder = std::filesystem::temp_directory_path() / ("ragtime_files_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string content = "a\0b\xff\n" + std::string(100000, 'x');
  ASSERT_TRUE(WriteFileDurably(folder / "f.tmp", std::as_bytes(std::span(content))).ok());
  ASSERT_TRUE(RenameDurably(folder / "f.tmp", folder / "f").ok());
  EXPECT_EQ(*ReadFile(folder / "f"), content);
  EXPECT_EQ(MappedFile::Open(folder / "f")->text(), content);
  // Advice about any part leaves the bytes as they are.
  const Result<MappedFile> advised = MappedFile::Open(folder / "f");
  ReadAtRandom(advised->bytes());
  KeepInLargePages(advised->bytes());
  ReadSoon(advised->bytes());
  ReadSoon(advised->bytes().subspan(1, 1));
  ReadSoon({});
  EXPECT_EQ(advised->text(), content);
  EXPECT_EQ(ReadFile(folder / "f", 10).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(folder / "none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(folder).status().code(), StatusCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

TEST(Hash, IsTheXxh3OfTheBytes) {
  EXPECT_EQ(HashHex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(Hash64("a"), Hash64("b"));
}

TEST(Document, MapsTextBackToTheSourceThroughVerbatimAndDecodedRuns) {
  // Source: "<p>a &amp; b</p>" -> text "a & b".
  Document document;
  document.text = "a & b";
  document.runs = {{0, 3, true, 5}, {2, 5, false, 10}, {3, 10, true, 12}};
  EXPECT_EQ(document.SourceSpan(0, 5), (Span{3, 12}));
  EXPECT_EQ(document.SourceSpan(0, 2), (Span{3, 5}));
  EXPECT_EQ(document.SourceSpan(2, 3), (Span{5, 10}));
  EXPECT_EQ(document.SourceSpan(3, 4), (Span{10, 11}));
  EXPECT_EQ(document.SourceSpan(3, 3), std::nullopt);
}

// The state of a process as the kernel names it; 0: there is none.
char StateOf(pid_t pid) {
  const Result<std::string> text = ReadFile(StrCat("/proc/", pid, "/stat"));
  if (!text.ok()) return 0;
  const size_t end = text->rfind(')');
  return end + 2 < text->size() ? (*text)[end + 2] : 0;
}

TEST(ChildProcess, EndsWithTheProcessThatStartedItHoweverThatEnds) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / StrCat("ragtime_child_process_", ::getpid());
  std::filesystem::create_directories(folder);
  for (const bool killed : {false, true}) {
    const std::filesystem::path told = folder / (killed ? "killed" : "ended");
    const pid_t owner = ::fork();
    if (owner == 0) {
      auto child = ChildProcess::Start(
          {"/bin/sh", "-c", "echo $$ >\"$0.part\"; mv \"$0.part\" \"$0\"; exec sleep 600", told.string()},
          folder / "log");
      while (child.ok() && !std::filesystem::exists(told)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (killed) ::kill(::getpid(), SIGKILL);
      child = UnavailableError("over");
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(owner, &status, 0), owner);
    const pid_t served = std::atoi(ReadFile(told)->c_str());
    ASSERT_GT(served, 0);
    // A zombie is only not yet waited for by whoever inherited it.
    char state = StateOf(served);
    for (int i = 0; i < 1000 && state != 0 && state != 'Z'; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      state = StateOf(served);
    }
    EXPECT_TRUE(state == 0 || state == 'Z') << state;
  }
  EXPECT_EQ(FindProgram("no-such-program-here", "install it").status().code(), StatusCode::kNotFound);
  std::filesystem::remove_all(folder);
}

TEST(Median, AndQuantilesAreValuesThatAreThere) {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(101 - i);
  EXPECT_EQ(Quantile(values, 0), 1);
  EXPECT_EQ(Quantile(values, 0.99), 100);
  EXPECT_EQ(Quantile(values, 1), 100);
  EXPECT_EQ(Median(values), 51);
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Quantile({}, 0.5), 0);
}

TEST(Environment, WhatIsNotSetIsEmpty) {
  ASSERT_EQ(::setenv("RAGTIME_BASE_TEST", "a b", 1), 0);
  EXPECT_EQ(EnvironmentVariable("RAGTIME_BASE_TEST"), "a b");
  ASSERT_EQ(::unsetenv("RAGTIME_BASE_TEST"), 0);
  EXPECT_EQ(EnvironmentVariable("RAGTIME_BASE_TEST"), "");
  EXPECT_EQ(EnvironmentVariable(""), "");
}

}  // namespace
}  // namespace ragtime
