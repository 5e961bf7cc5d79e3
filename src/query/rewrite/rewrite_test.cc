// SPDX-License-Identifier: Apache-2.0
//
// Goal: a question is cleaned without changing its words, and synonyms reach the keyword route only.
#include <gtest/gtest.h>

#include "query/rewrite/synonyms.h"
#include "query/rewrite/verbatim.h"

namespace ragtime {
namespace {

TEST(NormaliseQuestion, KeepsWordsAndDropsWhatIsAroundThem) {
  EXPECT_EQ(NormaliseQuestion("  How\tdo \n I\x01?  "), "How do I ?");
  EXPECT_EQ(NormaliseQuestion("　如何　恢复？"), "如何 恢复？");
  EXPECT_EQ(NormaliseQuestion(" \r\n\t "), "");
  EXPECT_EQ(NormaliseQuestion("a\xff"), "a\xEF\xBF\xBD");
}

TEST(VerbatimRewriter, AsksEveryRouteTheSame) {
  const auto query = VerbatimRewriter().Rewrite({}, " a  b ");
  EXPECT_EQ(*query, (RewrittenQuery{"a b", "a b"}));
}

TEST(SynonymRewriter, AddsToTheKeywordsOnly) {
  const SynonymRewriter rewriter(
      SynonymTable{{"k8s", {"kubernetes"}}, {"dump file", {"backup", "archive"}}, {"unused", {"x"}}});
  const auto query = rewriter.Rewrite({}, "Where is the Dump  Files of K8S?");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->text, "Where is the Dump Files of K8S?");
  EXPECT_EQ(query->keywords, "Where is the Dump Files of K8S? backup archive kubernetes");
}

TEST(SynonymRewriter, WantsTheWordsOfAPhraseNextToEachOther) {
  const SynonymRewriter rewriter(SynonymTable{{"dump file", {"backup"}}});
  EXPECT_EQ(rewriter.Rewrite({}, "dump the file")->keywords, "dump the file");
}

TEST(SynonymRewriter, FindsChinesePhrases) {
  const SynonymRewriter rewriter(SynonymTable{{"备份", {"转储"}}, {"库", {"database"}}});
  EXPECT_EQ(rewriter.Rewrite({}, "如何备份数据？")->keywords, "如何备份数据？ 转储");
  EXPECT_EQ(rewriter.Rewrite({}, "恢复数据库")->keywords, "恢复数据库 database");
}

}  // namespace
}  // namespace ragtime
