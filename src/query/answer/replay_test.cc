// SPDX-License-Identifier: Apache-2.0
//
// Goal: a kept answer streams in whole characters and ends where its reader leaves.
#include "query/answer/replay.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ragtime {
namespace {

Answer LongAnswer() {
  Answer answer;
  answer.reasoning = "First I think about it.";
  answer.text =
      "恢复备份之前要先停止服务器，然后把目录改名，再解压备份文件 [1]。Then start the server again, and look at its "
      "log. [2]";
  answer.citations = {{.marker = 1}, {.marker = 2}};
  return answer;
}

TEST(ReplayAnswer, SendsAllInWholeCharacters) {
  Answer answer = LongAnswer();
  std::string reasoning;
  std::string text;
  size_t pieces = 0;
  ReplayAnswer(
      [&](Channel channel, std::string_view piece) {
        EXPECT_FALSE(piece.empty());
        EXPECT_NE(static_cast<unsigned char>(piece[0]) & 0xC0, 0x80);
        (channel == Channel::kAnswer ? text : reasoning) += piece;
        ++pieces;
        return true;
      },
      answer);
  EXPECT_EQ(text, LongAnswer().text);
  EXPECT_EQ(reasoning, LongAnswer().reasoning);
  EXPECT_GT(pieces, 4u);
  EXPECT_EQ(answer.citations.size(), 2u);
  ReplayAnswer({}, answer);
  EXPECT_EQ(answer.text, LongAnswer().text);
}

TEST(ReplayAnswer, EndsWhereTheReaderLeaves) {
  for (size_t leave_after = 1; leave_after < 12; ++leave_after) {
    Answer answer = LongAnswer();
    std::string text;
    size_t pieces = 0;
    ReplayAnswer(
        [&](Channel channel, std::string_view piece) {
          if (channel == Channel::kAnswer) text += piece;
          return ++pieces < leave_after;
        },
        answer);
    EXPECT_EQ(answer.text, text);
    for (const Citation& citation : answer.citations) {
      EXPECT_NE(text.find("[" + std::to_string(citation.marker) + "]"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ragtime
