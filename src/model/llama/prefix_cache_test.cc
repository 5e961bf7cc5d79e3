// SPDX-License-Identifier: Apache-2.0
//
// Goal: the cache finds the longest beginning it was ever given and hands out states that hold just these tokens; files
// with any change in them are told from good ones.
// Method: random sequences against a list; states whose bytes are their tokens; mutated files.
#include "model/llama/prefix_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

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
