// SPDX-License-Identifier: Apache-2.0
//
// Goal: an extracted answer is made of the documents' own sentences, the telling ones, each at its exact place.
#include "query/answer/extract.h"

#include <gtest/gtest.h>

#include "base/str_cat.h"
#include "query/test_doubles.h"

namespace ragtime {
namespace {

class ExtractTest : public testing::Test {
 protected:
  void Add(std::string text, std::vector<std::string> heading = {}) {
    SearchHit hit;
    hit.node.id = static_cast<NodeId>(hits_.size() + 1);
    hit.node.bytes = Span{300, 300 + text.size()};
    hit.node.text = std::move(text);
    hit.node.heading = std::move(heading);
    hit.file = StrCat("f", hit.node.id);
    hits_.push_back(hit);
  }
  Extract Ask(const std::string& question, bool with_vectors = true) {
    passages_ = SelectPassages(hits_, 5);
    const std::vector<float> vector = embedder_.VectorOf(question);
    Extract extract =
        ExtractAnswer({.question = question,
                       .passages = passages_,
                       .query_vector = with_vectors ? std::span<const float>(vector) : std::span<const float>(),
                       .embedder = &embedder_});
    // What holds for every answer: the quote is the source, byte by byte, and the pieces are the text.
    std::string joined;
    for (const std::string& piece : extract.pieces) joined += piece;
    EXPECT_EQ(joined, extract.text);
    EXPECT_EQ(extract.pieces.size(), extract.citations.size());
    EXPECT_LE(extract.citations.size(), kExtractSentencesMax);
    for (const Citation& citation : extract.citations) {
      const std::string& text = hits_[static_cast<size_t>(citation.node_id - 1)].node.text;
      EXPECT_EQ(text.substr(citation.bytes->start - 300, citation.bytes->end - citation.bytes->start), citation.quote);
    }
    return extract;
  }

  std::vector<SearchHit> hits_;
  std::vector<Passage> passages_;
  HashEmbedder embedder_;
};

TEST_F(ExtractTest, TakesTheSentenceThatAnswers) {
  Add("The manual covers many topics. A backup is restored with the pg_restore command. Weather varies by season.");
  Add("Unrelated text about gardens and flowers stands here.");
  for (const bool with_vectors : {true, false}) {
    const Extract extract = Ask("How do I restore a backup?", with_vectors);
    EXPECT_EQ(extract.text, "A backup is restored with the pg_restore command. [1]");
    ASSERT_EQ(extract.citations.size(), 1u);
    EXPECT_EQ(extract.citations[0].marker, 1);
    EXPECT_TRUE(extract.embedding.ok());
  }
}

TEST_F(ExtractTest, AnswersChineseInChinese) {
  Add("本手册介绍系统管理。数据库的备份可以用导入命令恢复。天气因季节而不同。");
  Add("花园里有很多花。");
  EXPECT_EQ(Ask("如何恢复数据库备份？").text, "数据库的备份可以用导入命令恢复。 [1]");
}

TEST_F(ExtractTest, PutsSentencesOfAPassageInTheirOrderAndNumbersPassagesAsTheyAppear) {
  Add("Nothing of interest is written in this place at all.");
  Add("A server backup needs a quiet disk. Then the server backup is copied to tape. Flowers are red in the garden.");
  const Extract extract = Ask("server backup");
  EXPECT_EQ(extract.text, "A server backup needs a quiet disk. [1] Then the server backup is copied to tape. [1]");
  ASSERT_EQ(extract.citations.size(), 2u);
  EXPECT_EQ(extract.citations[0].node_id, 2);
  EXPECT_LT(extract.citations[0].bytes->start, extract.citations[1].bytes->start);
}

TEST_F(ExtractTest, LeavesHeadingsCodeAndQuestionsUnlessThereIsNothingElse) {
  Add("How do I restore a backup of the server? Restore backup restore backup. $ restore --backup=/var/x | y > z;\n\n"
      "An operator restores the backup from tape.",
      {"Restore backup restore backup."});
  EXPECT_EQ(Ask("restore backup", false).text, "An operator restores the backup from tape. [1]");
  hits_.clear();
  Add("How do I restore a backup?");
  EXPECT_EQ(Ask("restore backup", false).text, "How do I restore a backup? [1]");
}

TEST_F(ExtractTest, AnswersFromATableByTheRowAndItsColumnNames) {
  Add("Please bring everything back in time.\n\n| Item | At once | Loan period |\n|---|---|---|\n"
      "| Books | 20 | 28 days |\n| Films | 6 | 14 days |\n");
  for (const bool with_vectors : {true, false}) {
    EXPECT_EQ(Ask("What is the loan period of books?", with_vectors).text, "| Books | 20 | 28 days | [1]");
    EXPECT_EQ(Ask("What is the loan period of films?", with_vectors).text, "| Films | 6 | 14 days | [1]");
  }
}

TEST_F(ExtractTest, SaysNothingTwice) {
  Add("Restore the backup with the import command on the server.");
  Add("Restore the backup with the import command on the server now.");
  EXPECT_EQ(Ask("restore backup import").citations.size(), 1u);
}

TEST_F(ExtractTest, EmbedsNoMoreThanItsLimitAndNothingWithoutAQueryVector) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "Sentence number " + std::to_string(i) + " talks about one more thing. ";
  Add(text);
  Ask("thing", false);
  EXPECT_EQ(embedder_.calls, 0);
  Ask("thing");
  EXPECT_EQ(embedder_.calls, 1);
  EXPECT_EQ(embedder_.texts_embedded, kExtractEmbeddedMax);
  EXPECT_EQ(embedder_.last_kind, TextKind::kPassage);
}

TEST_F(ExtractTest, GoesByWordsWhereTheEmbedderFails) {
  Add("A backup is restored with the pg_restore command. Weather varies by season.");
  embedder_.status = UnavailableError("gone");
  const Extract extract = Ask("restore backup");
  EXPECT_EQ(extract.text, "A backup is restored with the pg_restore command. [1]");
  EXPECT_EQ(extract.embedding.code(), StatusCode::kUnavailable);
}

TEST_F(ExtractTest, WritesASentenceInOneLineAndQuotesItAsItStands) {
  Add("A backup is restored\n  with the import command.");
  const Extract extract = Ask("restore backup");
  EXPECT_EQ(extract.text, "A backup is restored with the import command. [1]");
  EXPECT_EQ(extract.citations[0].quote, "A backup is restored\n  with the import command.");
  hits_.clear();
  Add("数据库的备份\n可以恢复到服务器。");
  EXPECT_EQ(Ask("恢复备份").text, "数据库的备份可以恢复到服务器。 [1]");
}

TEST_F(ExtractTest, DoesNotTakeAFootnoteForAMarker) {
  Add("A backup is restored with the import command [7].");
  const Extract extract = Ask("restore backup");
  EXPECT_EQ(extract.text, "A backup is restored with the import command (7). [1]");
  EXPECT_EQ(extract.citations[0].quote, "A backup is restored with the import command [7].");
}

TEST_F(ExtractTest, IsEmptyWithoutText) {
  EXPECT_TRUE(Ask("anything").text.empty());
  Add("   ");
  EXPECT_TRUE(Ask("anything").text.empty());
}

TEST(IsProse, TellsSentencesFromWhatSurroundsThem) {
  const std::vector<std::string> heading = {"Chapter 12. Restoring the Backup."};
  EXPECT_TRUE(IsProse("The server keeps its files in one folder.", heading));
  EXPECT_TRUE(IsProse("Use pg_dump -Fc to write an archive (the custom format).", heading));
  EXPECT_TRUE(IsProse("服务器把文件保存在同一个目录中。", heading));
  EXPECT_TRUE(IsProse("He said: \"The server keeps its files.\"", heading));
  EXPECT_FALSE(IsProse("Chapter 12. Restoring the Backup.", heading));
  EXPECT_FALSE(IsProse("Prev Up Home Next", heading));
  EXPECT_FALSE(IsProse("Restoring Backups", heading));
  EXPECT_FALSE(IsProse("## Where the server keeps its files.", heading));
  EXPECT_FALSE(IsProse("Where does the server keep its files?", heading));
  EXPECT_FALSE(IsProse("for (int i = 0; i < n; ++i) { a[i] = b[i]; }", heading));
  EXPECT_FALSE(IsProse("--- | --- | --- | --- .", heading));
  EXPECT_FALSE(IsProse("下一页。", heading));
}

}  // namespace
}  // namespace ragtime
