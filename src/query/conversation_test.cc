// SPDX-License-Identifier: Apache-2.0
//
// Goal: a question that leans on the one before takes its words, one that stands alone does not, and what is kept of a
// conversation stays within its caps.
#include "query/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str_cat.h"

namespace ragtime {
namespace {

TEST(Conversation, TellsWhatLeansOnTheOneBefore) {
  for (const char* question : {"Why?", "How long?", "and on Windows?", "What about old backups?",
                               "How long does it take?", "Can I delete them?", "Is that safe?", "为什么？",
                               "那旧的备份呢？", "它要多久？", "还有别的办法吗？", "How much?", "这个安全吗？"}) {
    EXPECT_TRUE(LeansOnTheOneBefore(question)) << question;
  }
  for (const char* question :
       {"How do I restore a backup of a PostgreSQL cluster?", "Which libraries lend e-books on Sundays?",
        "如何恢复数据库的备份文件？", "图书馆周末几点开门和关门？", "What does pg_dump write to standard output?",
        "How long does it take to restore a backup from a remote archive?"}) {
    EXPECT_FALSE(LeansOnTheOneBefore(question)) << question;
  }
}

TEST(Conversation, AFollowUpTakesTheWordsOfTheQuestionBefore) {
  Conversation conversation;
  EXPECT_EQ(StandaloneQuestion("How long does it take?", conversation), "");
  conversation.turns.push_back({"How do I restore a backup?", "How do I restore a backup?", "Stop the server."});
  EXPECT_EQ(StandaloneQuestion("How long does it take?", conversation),
            "How do I restore a backup? How long does it take?");
  EXPECT_EQ(StandaloneQuestion("Which libraries lend e-books on Sundays?", conversation), "");
  // A chain keeps its subject, and does not grow for ever.
  for (int i = 0; i < 100; ++i) {
    const std::string standalone = StandaloneQuestion("And how long does it take?", conversation);
    ASSERT_NE(standalone, "");
    ASSERT_LT(standalone.size(), 500u);
    conversation.turns.push_back({"And how long does it take?", standalone, "An hour."});
  }
}

TEST(Conversation, KeepsTheLastTurnsWithinItsCaps) {
  Conversation conversation;
  for (int i = 0; i < 10; ++i) conversation.turns.push_back({StrCat("question ", i), StrCat("question ", i), "answer"});
  CutConversation(3, 10000, conversation);
  ASSERT_EQ(conversation.turns.size(), 3u);
  EXPECT_EQ(conversation.turns[0].question, "question 7");
  CutConversation(3, 60, conversation);
  ASSERT_EQ(conversation.turns.size(), 2u);
  EXPECT_EQ(conversation.turns[1].question, "question 9");
  conversation.turns.push_back({"q", "q", "备份备份备份备份"});
  CutConversation(3, 10, conversation);
  ASSERT_EQ(conversation.turns.size(), 1u);
  EXPECT_EQ(conversation.turns[0].answer, "备份");
  conversation.turns.push_back({std::string(100, 'q'), "", "a"});
  CutConversation(3, 10, conversation);
  EXPECT_TRUE(conversation.turns.empty());
  CutConversation(3, 10, conversation);
}

TEST(Conversation, BecomesMessagesInTurn) {
  const Conversation conversation{{{"q1", "q1", "a1"}, {"q2", "q1 q2", "a2"}}};
  const auto messages = MessagesOf(conversation);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[2].role, "user");
  EXPECT_EQ(messages[2].content, "q2");
  EXPECT_EQ(messages[3].role, "assistant");
}

}  // namespace
}  // namespace ragtime
