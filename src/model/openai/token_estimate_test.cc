// SPDX-License-Identifier: Apache-2.0
//
// Goal: texts are cut into parts that fit, and nothing of them is lost.
#include "model/openai/token_estimate.h"

#include <gtest/gtest.h>

#include <string>

#include "text/utf8.h"

namespace ragtime {
namespace {

TEST(TokenEstimate, PartsFitAndJoinToTheText) {
  std::string english;
  for (int i = 0; i < 200; ++i) english += "The boiler, type B-17, is under warranty for five years. ";
  std::string chinese;
  for (int i = 0; i < 200; ++i) chinese += "这台锅炉保修五年。";
  const std::string one_word(5000, 'x');
  const std::string broken = "abc\xff\xfe" + chinese.substr(1, 100);
  for (const std::string& text : {english, chinese, one_word, broken, std::string(), std::string("a")}) {
    for (const size_t tokens : {1u, 7u, 100u, 100000u}) {
      std::string joined;
      for (const std::string_view part : CutByTokens(text, tokens)) {
        // A single character may be more than a token.
        EXPECT_TRUE(EstimateTokens(part) <= tokens || part.size() <= 4) << part;
        joined += part;
      }
      EXPECT_EQ(joined, text);
    }
  }
  for (const std::string_view part : CutByTokens(english, 100)) EXPECT_TRUE(part.ends_with(' ')) << part;
  for (const std::string_view part : CutByTokens(chinese, 100))
    EXPECT_EQ(FindInvalidUtf8(part), std::string_view::npos);
  EXPECT_EQ(CutByTokens("", 5).size(), 1u);
}

}  // namespace
}  // namespace ragtime
