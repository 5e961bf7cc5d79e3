// SPDX-License-Identifier: Apache-2.0
//
// Goal: Chinese is cut into the words of the dictionary and the user's, what a question asks for is among the words of
// a text that holds it, and a bad file is an error that names it.
#include "text/jieba/jieba_dictionary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "text/words.h"

namespace ragtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class JiebaTest : public testing::Test {
 protected:
  JiebaTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ragtime_jieba_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~JiebaTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(const std::string& text) const {
    std::ofstream(folder_ / "user.txt") << text;
    return folder_ / "user.txt";
  }
  static const ChineseDictionary* Plain() {
    static const auto kDictionary = *JiebaDictionary::Open(RAGTIME_TEST_JIEBA, "");
    return kDictionary.get();
  }
  static std::vector<std::string> Find(const ChineseDictionary& dictionary, const std::string& run) {
    std::vector<std::string> words;
    dictionary.FindWords(run, [&](size_t start, size_t size, size_t characters) {
      words.push_back(run.substr(start, size));
      EXPECT_EQ(characters, size / 3);
    });
    return words;
  }

  std::filesystem::path folder_;
};

TEST_F(JiebaTest, LongWordsGiveThoseInsideThemToo) {
  EXPECT_THAT(
      Find(*Plain(), "小明硕士毕业于中国科学院计算所"),
      ElementsAre("小明", "硕士", "毕业", "于", "中国", "科学", "学院", "科学院", "中国科学院", "计算", "计算所"));
}

TEST_F(JiebaTest, ATextHasWordsBesidesCharactersAndPairs) {
  EXPECT_THAT(SplitWords("用SQL查数据库。", Plain()),
              ElementsAre("用", "sql", "查", "查数", "数", "数据", "据", "据库", "库", "数据库"));
  EXPECT_THAT(SplitWords("事务", Plain()), ElementsAre("事", "事务", "务"));
}

TEST_F(JiebaTest, AQuestionHasItsWordsAndThePairsInsideThem) {
  EXPECT_THAT(QueryWords("查数据库的备份", Plain()),
              UnorderedElementsAre("查", "数据库", "数据", "据库", "的", "备份"));
  EXPECT_THAT(QueryWords("库", Plain()), ElementsAre("库"));
  EXPECT_THAT(QueryWords("pg_dump 备份", Plain()), ElementsAre("pg_dump", "pg", "dump", "备份"));
}

TEST_F(JiebaTest, JapaneseKoreanAndThaiAreAsWithoutADictionary) {
  for (const char* text : {"東京都の天気", "데이터베이스 백업", "ฐานข้อมูล", "データベース"}) {
    EXPECT_EQ(SplitWords(text, Plain()), SplitWords(text)) << text;
    EXPECT_EQ(QueryWords(text, Plain()), QueryWords(text)) << text;
  }
}

TEST_F(JiebaTest, WordsOfTheUserAreWords) {
  EXPECT_THAT(QueryWords("向量数据湖仓", Plain()), Not(Contains("数据湖仓")));
  const auto user =
      JiebaDictionary::Open(RAGTIME_TEST_JIEBA, Write("\xEF\xBB\xBF数据湖仓 100000 n\r\n\n 云原生 n\nC++ 3\n向量化\n"));
  ASSERT_TRUE(user.ok()) << user.status().ToString();
  EXPECT_THAT(QueryWords("向量数据湖仓", user->get()), Contains("数据湖仓"));
  EXPECT_THAT(SplitWords("云原生的数据湖仓", user->get()), IsSupersetOf({"云原生", "数据湖仓"}));
  EXPECT_NE((*user)->version(), Plain()->version());
  EXPECT_NE((*user)->version() & kDictionaryBit, 0u);
  EXPECT_EQ(WordsVersion(user->get()), (*user)->version());
  EXPECT_EQ(WordsVersion(nullptr), kWordsVersion);
  const auto same = JiebaDictionary::Open(RAGTIME_TEST_JIEBA, Write("数据湖仓 100000 nz\n云原生\n向量化"));
  ASSERT_TRUE(same.ok());
  EXPECT_EQ((*same)->version(), (*user)->version()) << "tags and other characters than Chinese change no word";
}

TEST_F(JiebaTest, BadFilesAreNamed) {
  const auto error = [](const std::filesystem::path& folder, const std::filesystem::path& user) {
    return JiebaDictionary::Open(folder, user).status().ToString();
  };
  EXPECT_THAT(error(RAGTIME_TEST_JIEBA, folder_ / "none.txt"), HasSubstr("none.txt"));
  EXPECT_THAT(error(RAGTIME_TEST_JIEBA, Write("好的\n云计算 x 5\n")), HasSubstr("line 2"));
  EXPECT_THAT(error(RAGTIME_TEST_JIEBA, Write("云计算 0\n")), HasSubstr("below 1"));
  EXPECT_THAT(error(RAGTIME_TEST_JIEBA, Write("a b c d\n")), HasSubstr("line 1"));
  EXPECT_THAT(error(RAGTIME_TEST_JIEBA, Write("\xFF\xFE\n")), HasSubstr("not UTF-8"));
  EXPECT_THAT(error(folder_, ""), HasSubstr("jieba.dict.utf8"));
  for (const char* name : {"jieba.dict.utf8", "hmm_model.utf8"}) {
    std::filesystem::copy_file(std::filesystem::path(RAGTIME_TEST_JIEBA) / name, folder_ / name);
  }
  EXPECT_EQ(error(folder_, ""), Status().ToString());
  std::ofstream(folder_ / "hmm_model.utf8", std::ios::app) << "x";
  EXPECT_THAT(error(folder_, ""), HasSubstr("hmm_model.utf8"));
}

TEST_F(JiebaTest, EveryPairThatAQuestionAsksForIsAWordOfTheSameText) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (size_t n = 1 + random() % 40; n > 0; --n) {
      // Frequent characters, so that words come about.
      static constexpr std::string_view kCharacters = "数据库的备份与恢复事务日志中国人民大学生活动员工作业务";
      text +=
          random() % 15 == 0 ? " a，" : std::string(kCharacters.substr(3 * (random() % (kCharacters.size() / 3)), 3));
    }
    const auto words = SplitWords(text, Plain());
    const std::set<std::string> known(words.begin(), words.end());
    for (const std::string& word : QueryWords(text, Plain()))
      EXPECT_TRUE(known.contains(word)) << word << " in " << text;
  }
}

TEST_F(JiebaTest, ThreadsShareIt) {
  const auto dictionary = *JiebaDictionary::Open(RAGTIME_TEST_JIEBA, "");
  const auto expected = SplitWords("数据库的备份与恢复", Plain());
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (int& count : equal) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) count += SplitWords("数据库的备份与恢复", dictionary.get()) == expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, ElementsAre(100, 100, 100, 100));
}

}  // namespace
}  // namespace ragtime
