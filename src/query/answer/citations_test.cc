// SPDX-License-Identifier: Apache-2.0
//
// Goal: each sentence of a generated answer leads to the words of the passage it rests on, at their exact place.
#include "query/answer/citations.h"

#include <gtest/gtest.h>

#include "base/str_cat.h"
#include "query/answer/not_found.h"

namespace ragtime {
namespace {

class CitationsTest : public testing::Test {
 protected:
  CitationsTest() {
    Add(1, "Backups are made by pg_dump. The archive is restored with pg_restore. Both need a running server.");
    Add(2, "服务器默认监听端口五四三二。修改配置文件后需要重启。");
    for (size_t i = 0; i < hits_.size(); ++i) {
      passages_.push_back({static_cast<int>(i + 1), &hits_[i], 0, hits_[i].node.text.size()});
    }
  }
  void Add(NodeId id, std::string text) {
    SearchHit hit;
    hit.node.id = id;
    hit.node.page = 3;
    hit.node.bytes = Span{500, 500 + text.size()};
    hit.node.text = std::move(text);
    hit.file = StrCat("f", id);
    hits_.push_back(hit);
  }
  std::vector<Citation> Cite(std::string_view answer) { return CiteAnswer(answer, passages_, nullptr); }
  // The bytes of the citation, read as if node 1's text lay at 500 in its file.
  std::string AtBytes(const Citation& citation) const {
    const std::string& text = hits_[static_cast<size_t>(citation.marker - 1)].node.text;
    return text.substr(citation.bytes->start - 500, citation.bytes->end - citation.bytes->start);
  }

  std::vector<SearchHit> hits_;
  std::vector<Passage> passages_;
};

TEST_F(CitationsTest, QuoteTheSentenceThatSharesMost) {
  const auto citations = Cite("You restore the archive with pg_restore [1]. 默认端口是五四三二[2]。");
  ASSERT_EQ(citations.size(), 2u);
  EXPECT_EQ(citations[0].marker, 1);
  EXPECT_EQ(citations[0].node_id, 1);
  EXPECT_EQ(citations[0].file, "f1");
  EXPECT_EQ(citations[0].page, 3u);
  EXPECT_EQ(citations[0].quote, "The archive is restored with pg_restore.");
  EXPECT_FALSE(citations[0].inferred);
  EXPECT_EQ(AtBytes(citations[0]), citations[0].quote);
  EXPECT_EQ(citations[1].quote, "服务器默认监听端口五四三二。");
  EXPECT_EQ(AtBytes(citations[1]), citations[1].quote);
}

TEST_F(CitationsTest, BelongToTheSentenceBeforeThem) {
  const auto citations = Cite("Backups are made by pg_dump. [1] Then the port is changed. [2]");
  ASSERT_EQ(citations.size(), 2u);
  EXPECT_EQ(citations[0].quote, "Backups are made by pg_dump.");
  EXPECT_EQ(citations[1].marker, 2);
}

TEST_F(CitationsTest, AreInferredOnlyWhereTheWordsAreThere) {
  auto citations = Cite("The archive is restored with pg_restore.");
  ASSERT_EQ(citations.size(), 1u);
  EXPECT_TRUE(citations[0].inferred);
  EXPECT_EQ(citations[0].marker, 1);
  EXPECT_TRUE(Cite("Bananas grow in tropical climates near the equator.").empty());
  EXPECT_TRUE(Cite("Yes.").empty());
  EXPECT_TRUE(Cite("").empty());
  citations = Cite("The archive is restored with pg_restore. So run pg_restore on the archive [1].");
  ASSERT_EQ(citations.size(), 1u);
  EXPECT_FALSE(citations[0].inferred);  // The same sentence, and the model named it.
}

TEST_F(CitationsTest, AreNotInferredAgainstNumbersAndNegation) {
  EXPECT_EQ(Cite("Both need a running server.").size(), 1u);
  EXPECT_TRUE(Cite("Both do not need a running server.").empty());
  EXPECT_TRUE(Cite("Both need 2 running server.").empty());
  EXPECT_TRUE(Cite("修改配置文件后不需要重启。").empty());
  EXPECT_EQ(Cite("修改配置文件后需要重启。").size(), 1u);
  // The words are in the passage, but no sentence says this.
  EXPECT_TRUE(Cite("Backups of the running archive server need pg_restore.").empty());
}

TEST_F(CitationsTest, AnAnswerRestsOnTheMarkersOfItsFirstSentences) {
  auto whole = [&](std::string_view text) { return RestsOnPassages(text, /*whole=*/true); };
  EXPECT_EQ(whole("Bananas are yellow fruit. Really [1]."), Rests::kYes);
  EXPECT_EQ(whole("Both need a running server. Bananas are yellow fruit."), Rests::kNo);
  EXPECT_EQ(whole("One is so. Two is so. Three is so. Four is so. [1]"), Rests::kYes);
  EXPECT_EQ(whole("One is so. Two is so. Three is so. Four is so. Five is so [1]."), Rests::kNo);
  EXPECT_EQ(whole(""), Rests::kNo);
}

TEST_F(CitationsTest, WhatIsDecidedForABeginningHoldsForTheWhole) {
  for (const std::string text :
       {"Bananas are yellow fruit. Really [1].", "Both need a running server. Bananas are yellow.",
        "One is so. Two is so. Three is so. Four is so. [1] Five is so. Six is so.",
        "One is so. Two is so. Three is so. Four is so. Five is so [1]. Six is so. Seven is so.", "No. [2]", ""}) {
    const Rests whole = RestsOnPassages(text, /*whole=*/true);
    for (size_t size = 0; size <= text.size(); ++size) {
      const Rests part = RestsOnPassages(std::string_view(text).substr(0, size), /*whole=*/false);
      EXPECT_TRUE(part == Rests::kOpen || part == whole) << text << " at " << size;
    }
  }
}

TEST_F(CitationsTest, NameEachQuoteOnceAndEachMarkerOfASentence) {
  const auto citations = Cite("Backups are made by pg_dump [1][2]. Backups: pg_dump [1].");
  ASSERT_EQ(citations.size(), 2u);
  EXPECT_EQ(citations[0].marker, 1);
  EXPECT_EQ(citations[1].marker, 2);
  EXPECT_TRUE(Cite("[9]").empty());
}

TEST_F(CitationsTest, QuoteOnlyWhatTheModelSaw) {
  passages_[0].text_end = 28;  // "Backups are made by pg_dump."
  const auto citations = Cite("The archive is restored with pg_restore [1].");
  ASSERT_EQ(citations.size(), 1u);
  EXPECT_EQ(citations[0].quote, "Backups are made by pg_dump.");
}

TEST_F(CitationsTest, TakeTheFinerMapWhereThereIsOneAndElseTheNodesRange) {
  hits_[0].node.bytes = Span{500, 900};  // Markup lies between.
  EXPECT_EQ(Cite("Backups are made by pg_dump [1].")[0].bytes, (Span{500, 900}));
  const SourceSpanOf finer = [](const Node&, size_t start, size_t end) { return Span{7000 + start, 7000 + end}; };
  EXPECT_EQ(CiteAnswer("Backups are made by pg_dump [1].", passages_, finer)[0].bytes, (Span{7000, 7028}));
  const SourceSpanOf none = [](const Node&, size_t, size_t) { return std::optional<Span>(); };
  EXPECT_EQ(CiteAnswer("Backups are made by pg_dump [1].", passages_, none)[0].bytes, (Span{500, 900}));
  hits_[0].node.bytes.reset();
  EXPECT_EQ(Cite("Backups are made by pg_dump [1].")[0].bytes, std::nullopt);
}

TEST_F(CitationsTest, NotFoundNamesTheNearestFilesInTheQuestionsLanguage) {
  std::vector<SearchHit> hits = {hits_[0], hits_[0], hits_[1]};
  EXPECT_EQ(NotFoundText("en", hits), "Not found in these documents. The nearest files are: f1, f2.");
  EXPECT_EQ(NotFoundText("zh", hits), "在这些文档中没有找到答案。最接近的文件：f1、f2。");
  EXPECT_EQ(NotFoundText("", {}), "Not found in these documents.");
  for (const char* language : {"ja", "ko", "de", "fr", "es", "ru", "ar"}) {
    EXPECT_NE(NotFoundText(language, hits), NotFoundText("en", hits)) << language;
  }
}

TEST(RestsOnPassages, RecitingThePromptIsNoCitation) {
  EXPECT_EQ(RestsOnPassages("The passage is:\n\n[1]", /*whole=*/false), Rests::kOpen);
  EXPECT_EQ(RestsOnPassages("The passage is:\n\n[1] (a.txt)\n> text", /*whole=*/false), Rests::kNo);
  EXPECT_EQ(RestsOnPassages("It says:\n> quoted text [1].", /*whole=*/true), Rests::kNo);
  EXPECT_EQ(RestsOnPassages("A book is lent for 28 days [1].", /*whole=*/true), Rests::kYes);
}

}  // namespace
}  // namespace ragtime
