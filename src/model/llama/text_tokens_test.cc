// SPDX-License-Identifier: Apache-2.0
//
// Goal: a text's tokens are those that were kept for just this text, and the memory stays within its bound.
#include "model/llama/text_tokens.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace ragtime {
namespace {

std::string Text(size_t number) { return std::string(100, 'a') + std::to_string(number); }

TEST(TextTokensTest, WhatWasUsedLastIsKnown) {
  // A text of 101 letters and one token take 105 bytes.
  TextTokens texts(3 * 105);
  EXPECT_FALSE(texts.Find(Text(0)));
  for (Token number = 0; number < 10; ++number) {
    texts.Keep(Text(static_cast<size_t>(number)), {number});
    EXPECT_EQ(texts.Find(Text(static_cast<size_t>(number))), std::vector<Token>{number});
    EXPECT_EQ(texts.Find(Text(0)), std::vector<Token>{0}) << "what is used stays, at " << number;
    EXPECT_LE(texts.bytes(), 3u * 105);
  }
  EXPECT_FALSE(texts.Find(Text(5)));
  texts.Keep(Text(0), {1});
  EXPECT_EQ(texts.Find(Text(0)), std::vector<Token>{0});
  texts.Keep("short", {1});
  EXPECT_FALSE(texts.Find("short"));
  texts.Keep(std::string(400, 'b'), {1});
  EXPECT_FALSE(texts.Find(std::string(400, 'b'))) << "larger than all";
  EXPECT_EQ(texts.Find(Text(0)), std::vector<Token>{0});
}

TEST(TextTokensTest, ThreadsGetTheirOwn) {
  TextTokens texts(20 * 110);
  std::vector<std::jthread> threads;
  for (size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&texts, first] {
      for (size_t i = 0; i < 2000; ++i) {
        const size_t number = (first * 7 + i) % 30;
        const auto found = texts.Find(Text(number));
        if (found) {
          ASSERT_EQ(*found, std::vector<Token>{static_cast<Token>(number)});
        } else {
          texts.Keep(Text(number), {static_cast<Token>(number)});
        }
      }
    });
  }
  threads.clear();
  EXPECT_LE(texts.bytes(), 20u * 110);
}

}  // namespace
}  // namespace ragtime
