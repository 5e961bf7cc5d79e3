// SPDX-License-Identifier: Apache-2.0
//
// Goal: guesses are what followed the same words; they are made where they pay and not where they do not. Method: times
// and right guesses as a machine and a model would give them.
#include "model/llama/prompt_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PromptLookupTest, GuessesWhatFollowedTheSameWords) {
  const std::vector<Token> tokens = {1, 2, 3, 4, 5, 6, 9, 3, 4, 7, 8, 2, 3, 4};
  // "2 3 4" stands once before, "3 4" last before "7".
  EXPECT_THAT(GuessTokens(tokens, 3), ElementsAre(5, 6, 9));
  EXPECT_THAT(GuessTokens(std::span(tokens).first(9), 8), ElementsAre(5, 6, 9, 3, 4));
  EXPECT_THAT(GuessTokens(std::span(tokens).first(7), 8), IsEmpty());
  EXPECT_THAT(GuessTokens({}, 8), IsEmpty());
  EXPECT_THAT(GuessTokens(std::span(tokens).first(2), 8), IsEmpty());
  // What repeats goes on up to the end.
  const std::vector<Token> twos = {2, 2, 2, 2};
  EXPECT_THAT(GuessTokens(twos, 8), ElementsAre(2));
}

// How many tokens a second an answer gets, against one by one, where a guess is right with a chance and a batch of n
// tokens takes 10 + (n - 1) * more_ms milliseconds.
double Gain(double chance, double more_ms, size_t requests = 20) {
  std::mt19937 random(7);
  std::bernoulli_distribution is_right(chance);
  LookupGate gate;
  double ms = 0;
  double tokens = 0;
  for (size_t i = 0; i < requests; ++i) {
    LookupGate::Record record = gate.StartOf();
    for (int step = 0; step < 60; ++step) {
      const size_t guesses = gate.Length(record, 6);
      const double took = 10 + static_cast<double>(guesses) * more_ms;
      gate.TookMs(guesses + 1, took);
      size_t right = 0;
      while (right < guesses && is_right(random)) ++right;
      if (guesses > 0) gate.Counted(record, guesses, right);
      ms += took;
      tokens += static_cast<double>(right + 1);
    }
  }
  return tokens * 10 / ms;
}

TEST(PromptLookupTest, GuessesWhereItPays) {
  EXPECT_GT(Gain(0.9, 1), 2.5);   // A large model whose weights take the time to read.
  EXPECT_GT(Gain(0.6, 1), 1.4);   // The same, with guesses that are wrong more often.
  EXPECT_GT(Gain(0.95, 5), 1.4);  // Half of a token's time for each guess.
}

TEST(PromptLookupTest, LosesNothingWhereItDoesNot) {
  EXPECT_GT(Gain(0.9, 10), 0.97);   // A batch of two takes as long as two batches.
  EXPECT_GT(Gain(0.43, 5), 0.97);   // The prototype's: 43 % right, a batch of five as long as three.
  EXPECT_GT(Gain(0.05, 1), 0.97);   // Guesses are wrong.
  EXPECT_GT(Gain(0.05, 30), 0.95);  // And dear.
}

TEST(PromptLookupTest, TriesTheLessOftenTheLessItPays) {
  LookupGate gate;
  size_t early = 0;
  size_t late = 0;
  for (int request = 0; request < 200; ++request) {
    LookupGate::Record record = gate.StartOf();
    for (int step = 0; step < 60; ++step) {
      const size_t guesses = gate.Length(record, 4);
      gate.TookMs(guesses + 1, guesses == 0 ? 10 : 40);
      if (guesses == 0) continue;
      gate.Counted(record, guesses, 1);
      (request < 20 ? early : late) += 1;
    }
  }
  EXPECT_LE(early, 8u);
  EXPECT_LE(late, 5u);  // Of 10,800 chances.
  EXPECT_GE(late, 1u);
}

TEST(PromptLookupTest, FindsOutAgainWhenTheTextChanges) {
  LookupGate gate;
  LookupGate::Record record = gate.StartOf();
  for (size_t tokens = 1; tokens <= 9; ++tokens) gate.TookMs(tokens, 10 + static_cast<double>(tokens));
  size_t late = 0;
  for (int step = 0; step < 1000; ++step) {
    const size_t guesses = gate.Length(record, 4);
    const bool copies = step > 400;
    if (guesses > 0) gate.Counted(record, guesses, copies ? guesses : 0);
    if (step > 900) late += guesses;
    if (step > 300 && step < 400) {
      EXPECT_LE(guesses, 2u);
    }
  }
  EXPECT_GT(late, 300u);
}

}  // namespace
}  // namespace ragtime
