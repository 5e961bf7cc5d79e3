// SPDX-License-Identifier: Apache-2.0
//
// Goal: a question's vector is the one that was kept for just this question, and the memory stays within its bound.
#include "model/local/question_vectors.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace ragtime {
namespace {

std::string Question(size_t number) { return "question " + std::to_string(number); }
std::vector<float> Vector(size_t number) { return {static_cast<float>(number), 1}; }

TEST(QuestionVectorsTest, WhatWasAskedLastIsKnown) {
  QuestionVectors vectors;
  EXPECT_FALSE(vectors.Find(Question(0)));
  for (size_t number = 0; number < 2 * QuestionVectors::kQuestionsMax; ++number) {
    vectors.Keep(Question(number), Vector(number));
    EXPECT_EQ(vectors.Find(Question(number)), Vector(number));
    EXPECT_EQ(vectors.Find(Question(0)), Vector(0)) << "what is asked stays, at " << number;
  }
  EXPECT_FALSE(vectors.Find(Question(1)));
  EXPECT_TRUE(vectors.Find(Question(2 * QuestionVectors::kQuestionsMax - 1)));
  const std::string longest(QuestionVectors::kQuestionBytesMax, 'q');
  vectors.Keep(longest, Vector(1));
  EXPECT_TRUE(vectors.Find(longest));
  vectors.Keep(longest + "q", Vector(1));
  EXPECT_FALSE(vectors.Find(longest + "q"));
}

TEST(QuestionVectorsTest, ThreadsGetTheirOwn) {
  QuestionVectors vectors;
  std::vector<std::jthread> threads;
  for (size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&vectors, first] {
      for (size_t i = 0; i < 2000; ++i) {
        const size_t number = (first * 7 + i) % (QuestionVectors::kQuestionsMax + 20);
        const auto found = vectors.Find(Question(number));
        if (found) {
          ASSERT_EQ(*found, Vector(number));
        } else {
          vectors.Keep(Question(number), Vector(number));
        }
      }
    });
  }
}

}  // namespace
}  // namespace ragtime
