// SPDX-License-Identifier: Apache-2.0
//
// Goal: thoughts are counted and nothing else is, however the tags are cut into tokens.
#include "model/thinking_trace.h"

#include <gtest/gtest.h>

#include <vector>

namespace ragtime {
namespace {

// Which tokens, from 1, are followed by the word that it is enough.
std::vector<size_t> UsedUpBehind(size_t tokens_max, bool open, const std::vector<std::string>& pieces) {
  ThinkingTrace trace(tokens_max, open);
  std::vector<size_t> behind;
  if (trace.used_up()) behind.push_back(0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    trace.Take(pieces[i]);
    if (trace.used_up()) behind.push_back(i + 1);
  }
  return behind;
}

using Places = std::vector<size_t>;

TEST(ThinkingTrace, CountsThoughts) {
  EXPECT_EQ(UsedUpBehind(2, false, {"<think>", "a", "b", "</think>", "c", "d", "e"}), (Places{3}));
  EXPECT_EQ(UsedUpBehind(2, false, {"\n", "<th", "ink>", "a", "b", "c", "</th", "ink>", "d"}), (Places{5, 6, 7}));
  EXPECT_EQ(UsedUpBehind(2, true, {"a", "b", "</think>", "c"}), (Places{2}));
  EXPECT_EQ(UsedUpBehind(0, true, {"</think>", "c"}), (Places{0}));
  EXPECT_EQ(UsedUpBehind(9, true, {"a", "b", "</think>", "c"}), (Places{}));
}

TEST(ThinkingTrace, AnAnswerIsNoThought) {
  EXPECT_EQ(UsedUpBehind(0, false, {"a", "<think>", "b"}), (Places{}));
  EXPECT_EQ(UsedUpBehind(0, false, {"<thi", "s", "<think>"}), (Places{}));
  EXPECT_EQ(UsedUpBehind(1, true, {"</think>", "<think>", "b", "c"}), (Places{}));
}

}  // namespace
}  // namespace ragtime
