// SPDX-License-Identifier: Apache-2.0
//
// Goal: the cache finds the longest beginning it was ever given and hands out states that hold just these tokens; files
// with any change in them are told from good ones.
// Method: random sequences against a list; states whose bytes are their tokens; mutated files.
#include "model/llama/prefix_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <memory>
#include <random>
#include <thread>

#include "base/str_cat.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> BytesOf(std::span<const Token> tokens) {
  const auto bytes = std::as_bytes(tokens);
  return {bytes.begin(), bytes.end()};
}

// Takes a sequence up as the scheduler does, and checks what is there of it.
void InsertAndCheck(PrefixCache& cache, const std::vector<Token>& tokens, size_t expected_known) {
  const std::vector<PrefixCache::Piece> known = cache.Match(tokens);
  const size_t start = known.empty() ? 0 : known.back().end;
  EXPECT_EQ(start, expected_known);
  if (start < tokens.size()) cache.Insert(tokens, start, BytesOf(std::span(tokens).subspan(start)));
}

uint32_t Seed() {
  const char* from_environment = std::getenv("RAGTIME_SEED");
  const auto seed =
      static_cast<uint32_t>(from_environment != nullptr ? std::strtoul(from_environment, nullptr, 10) : 5);
  std::printf("RAGTIME_SEED=%u\n", seed);
  return seed;
}

TEST(PrefixCacheTest, FindsTheLongestBeginning) {
  std::mt19937 random(Seed());
  PrefixCache cache(1 << 30, 0, nullptr);
  std::vector<std::vector<Token>> taken;
  for (int round = 0; round < 2000; ++round) {
    std::vector<Token> tokens(1 + random() % 12);
    for (Token& token : tokens) token = static_cast<Token>(random() % 3);
    size_t longest = 0;
    for (const std::vector<Token>& other : taken) {
      const size_t most = std::min(tokens.size(), other.size());
      const auto split =
          std::mismatch(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(most), other.begin()).first;
      longest = std::max(longest, static_cast<size_t>(split - tokens.begin()));
    }
    InsertAndCheck(cache, tokens, longest);
    taken.push_back(tokens);
    size_t reached = 0;
    for (const PrefixCache::Piece& piece : cache.Match(tokens)) {
      ASSERT_EQ(piece.start, reached);
      ASSERT_GT(piece.end, piece.start);
      reached = piece.end;
      ASSERT_TRUE(cache.Use(piece.state));
    }
    ASSERT_EQ(reached, tokens.size());
  }
}

TEST(PrefixCacheTest, WhatIsUsedStaysAndTheRestMakesRoom) {
  PrefixCache cache(4 * 100 * sizeof(Token), 0, nullptr);
  const auto sequence = [](Token first) { return std::vector<Token>(100, first); };
  for (Token first = 0; first < 20; ++first) {
    InsertAndCheck(cache, sequence(first), 0);
    EXPECT_LE(cache.memory_bytes(), 4 * 100 * sizeof(Token));
    const std::vector<PrefixCache::Piece> favourite = cache.Match(sequence(0));
    ASSERT_EQ(favourite.size(), 1u) << "after " << first;
    ASSERT_TRUE(cache.Use(favourite[0].state));
  }
  EXPECT_FALSE(cache.Match(sequence(19)).empty());
  EXPECT_TRUE(cache.Match(sequence(5)).empty());
}

TEST(StateWriterTest, TheCallerWaitsForRoomOnlyAndTheOrderIsKept) {
  std::promise<void> go_on;
  std::vector<std::string> done;  // Of the writer's thread, until it has ended.
  const auto bytes = std::make_shared<const std::vector<std::byte>>(60, std::byte{1});
  const auto named = [](const char* name) { return StoredState{name, {1}, 0, 60}; };
  {
    StateWriter writer(
        [&, released = go_on.get_future().share()](const StoredState& as, std::span<const std::byte>) {
          released.wait();
          done.push_back("write " + as.path.string());
          return as.path == "b" ? UnavailableError("the disk is full") : Status();
        },
        [&](const StoredState& stored) { done.push_back("remove " + stored.path.string()); }, 100);
    EXPECT_EQ(writer.Write(named("a"), bytes), 1u);  // Returns, though nothing is written yet.
    writer.Remove(named("a"));
    EXPECT_TRUE(writer.Finished().empty());
    auto second = std::async(std::launch::async, [&] { return writer.Write(named("b"), bytes); });
    EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
    go_on.set_value();
    EXPECT_EQ(second.get(), 2u);
    std::vector<std::pair<uint64_t, bool>> finished;
    while (finished.size() < 2) {
      for (const auto& each : writer.Finished()) finished.push_back(each);
      std::this_thread::yield();
    }
    EXPECT_EQ(finished, (std::vector<std::pair<uint64_t, bool>>{{1, true}, {2, false}}));
    writer.Write(named("c"), bytes);
    writer.Remove(named("d"));
  }
  EXPECT_EQ(done, (std::vector<std::string>{"write a", "remove a", "write b", "write c", "remove d"}));
}

// Most states are evicted while or soon after they are written.
TEST(PrefixCacheTest, WhatIsWrittenBehindIsThereAfterwards) {
  std::mt19937 random(Seed());
  const fs::path folder = fs::temp_directory_path() / StrCat("ragtime_prefix_cache_test_", ::getpid());
  fs::remove_all(folder);
  constexpr size_t kStateBytes = 1000 * sizeof(Token);
  const auto open = [&] {
    return std::make_unique<StateFolder>(folder, std::string(32, 'a'),
                                         [](const std::string& message) { ADD_FAILURE() << message; });
  };
  std::vector<std::vector<Token>> taken;
  size_t found = 0;
  {
    PrefixCache cache(3 * kStateBytes, 20 * 2 * kStateBytes, open());
    for (int round = 0; round < 400; ++round) {
      std::vector<Token> tokens(1000, static_cast<Token>(round));
      if (round % 3 == 0 && !taken.empty()) {
        // Goes on behind another one.
        tokens = taken[random() % taken.size()];
        tokens.insert(tokens.end(), 1000, static_cast<Token>(round));
      }
      const std::vector<PrefixCache::Piece> known = cache.Match(tokens);
      const size_t start = known.empty() ? 0 : known.back().end;
      cache.Insert(tokens, start, BytesOf(std::span(tokens).subspan(start)));
      taken.push_back(tokens);
      const std::vector<Token>& again = taken[taken.size() - 1 - random() % std::min<size_t>(taken.size(), 12)];
      for (const PrefixCache::Piece& piece : cache.Match(again)) {
        const auto state = cache.Use(piece.state);
        if (!state) break;
        ++found;
        ASSERT_EQ(std::memcmp(state->data(), again.data() + piece.start, (piece.end - piece.start) * sizeof(Token)), 0);
      }
      EXPECT_LE(cache.disk_bytes(), 20 * 2 * kStateBytes);
    }
    EXPECT_GT(found, 200u);  // Which depends on how fast the writer is: 276 to 315.
  }
  // What was taken up last is on the disk by then; what has lost what it stands on is removed.
  PrefixCache cache(0, 20 * 2 * kStateBytes, open());
  uint64_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(folder)) bytes += file.file_size();
  EXPECT_EQ(cache.disk_bytes(), bytes);
  EXPECT_LE(bytes, 20 * 2 * kStateBytes);
  EXPECT_GT(bytes, 5 * kStateBytes);
  size_t pieces = 0;
  for (const std::vector<Token>& tokens : taken) {
    for (const PrefixCache::Piece& piece : cache.Match(tokens)) {
      const auto state = cache.Use(piece.state);
      ASSERT_TRUE(state);
      ++pieces;
      ASSERT_EQ(std::memcmp(state->data(), tokens.data() + piece.start, (piece.end - piece.start) * sizeof(Token)), 0);
    }
  }
  EXPECT_GT(pieces, 5u);
  fs::remove_all(folder);
}

// States larger than the memory's limit, which lose their place on the disk while they wait to be written, or that are
// in memory only and carry others that are not.
TEST(PrefixCacheTest, BothLimitsHoldOnceAllIsWritten) {
  std::mt19937 random(Seed());
  const fs::path folder = fs::temp_directory_path() / StrCat("ragtime_prefix_cache_test_limits_", ::getpid());
  constexpr uint64_t kMemoryBytesMax = 4000;
  constexpr uint64_t kDiskBytesMax = 6000;
  for (int round = 0; round < 100; ++round) {
    fs::remove_all(folder);
    PrefixCache cache(kMemoryBytesMax, kDiskBytesMax,
                      std::make_unique<StateFolder>(folder, std::string(32, 'a'),
                                                    [](const std::string& message) { ADD_FAILURE() << message; }));
    std::vector<Token> tokens;
    for (int i = 0; i < 6; ++i) {
      tokens.resize(random() % (tokens.size() + 1));  // Stands on a part of the one before.
      tokens.insert(tokens.end(), 1 + random() % 1200, static_cast<Token>(i));
      const std::vector<PrefixCache::Piece> known = cache.Match(tokens);
      const size_t start = known.empty() ? 0 : known.back().end;
      cache.Insert(tokens, start, BytesOf(std::span(tokens).subspan(start)));
      EXPECT_LE(cache.disk_bytes(), kDiskBytesMax);
    }
    for (int i = 0; i < 2000 && cache.memory_bytes() > kMemoryBytesMax; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      cache.TakeWritten();
    }
    ASSERT_LE(cache.memory_bytes(), kMemoryBytesMax) << "round " << round;
  }
  fs::remove_all(folder);
}

TEST(PrefixCacheTest, AFolderThatCannotBeWrittenToLeavesTheMemory) {
  const fs::path file = fs::temp_directory_path() / StrCat("ragtime_prefix_cache_test_file_", ::getpid());
  std::ofstream(file) << "a file where a folder should be";
  PrefixCache cache(1 << 20, 1 << 20,
                    std::make_unique<StateFolder>(file, std::string(32, 'a'), [](const std::string&) {}));
  const std::vector<Token> tokens(100, 7);
  cache.Insert(tokens, 0, BytesOf(tokens));
  while (cache.disk_bytes() > 0) {  // Until the writer has found out.
    const std::vector<PrefixCache::Piece> pieces = cache.Match(tokens);
    ASSERT_EQ(pieces.size(), 1u);
    ASSERT_TRUE(cache.Use(pieces[0].state));
  }
  EXPECT_EQ(cache.memory_bytes(), tokens.size() * sizeof(Token));
  fs::remove(file);
}

TEST(StateFolderTest, EveryChangeOfAFileIsSeen) {
  std::mt19937 random(Seed());
  const fs::path folder = fs::temp_directory_path() / StrCat("ragtime_state_folder_test_", ::getpid());
  fs::remove_all(folder);
  std::vector<std::string> warnings;
  const auto open = [&] {
    return StateFolder(folder, std::string(32, 'a'),
                       [&](std::string message) { warnings.push_back(std::move(message)); });
  };
  const std::vector<Token> tokens = {5, 6, 7, 8, 9};
  const std::vector<std::byte> state(300, std::byte{42});
  const Result<StoredState> written = open().Write(tokens, 2, state);
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  std::ifstream file(written->path, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  ASSERT_EQ(good.size(), written->size_bytes);
  size_t opened = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = good;
    const size_t at = random() % (random() % 2 == 0 ? 100 : bytes.size());
    switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 1:
        bytes.resize(at);
        break;
      default:
        bytes.resize(bytes.size() + 1 + random() % 50);
    }
    std::ofstream(written->path, std::ios::binary | std::ios::trunc) << bytes;
    StateFolder states = open();
    for (const StoredState& stored : states.List()) {
      EXPECT_EQ(stored.tokens, tokens);
      EXPECT_EQ(stored.start, 2u);
      const Result<MappedFile> mapped = states.Open(stored);
      if (!mapped.ok()) continue;
      ++opened;
      const auto found = StateFolder::StateOf(*mapped);
      EXPECT_TRUE(std::equal(found.begin(), found.end(), state.begin(), state.end()));
    }
  }
  // What no checksum covers is the padding before the state.
  EXPECT_LT(opened, 100u);
  EXPECT_GT(warnings.size(), 500u);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace ragtime
