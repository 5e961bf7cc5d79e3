// SPDX-License-Identifier: Apache-2.0
//
// Goal: an answer's score says what of it stands in the passages, and what of the question in it.
#include "text/answer_score.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

TEST(AnswerScoreTest, CountsWordsThatSaySomething) {
  const AnswerScore score =
      ScoreAnswer("The harbour opens at 9 and sells tickets to sailors.", "When does the Harbour open?",
                  "Harbours open early. A ticket is sold to each sailor (9 euros).");
  // harbour, open, ticket, sailor of these and "sell", in whatever form.
  EXPECT_DOUBLE_EQ(score.from_passages.value(), 4.0 / 5);
  EXPECT_DOUBLE_EQ(score.on_topic.value(), 1);
}

TEST(AnswerScoreTest, AnswersBesideThePointScoreNothing) {
  const AnswerScore score = ScoreAnswer("Bananas grow quickly.", "How is a lost card replaced?", "Cards are replaced.");
  EXPECT_DOUBLE_EQ(score.from_passages.value(), 0);
  EXPECT_DOUBLE_EQ(score.on_topic.value(), 0);
}

TEST(AnswerScoreTest, ReadsChinese) {
  const AnswerScore score = ScoreAnswer("港口九点开放", "港口什么时候开放？", "港口每天九点开放。");
  EXPECT_GT(score.from_passages.value(), 0.7);
  EXPECT_GT(score.on_topic.value(), 0.2);
  EXPECT_LT(score.on_topic.value(), 1);
}

TEST(AnswerScoreTest, SaysNothingWhereThereAreNoWords) {
  const AnswerScore score = ScoreAnswer("...", "What is it?", "Cards are replaced.");
  EXPECT_FALSE(score.from_passages.has_value());
  EXPECT_FALSE(score.on_topic.has_value());
}

}  // namespace
}  // namespace ragtime
