// SPDX-License-Identifier: Apache-2.0
//
// Goal: the language of real-looking questions is told, also when they quote names of another script.
#include "text/language.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace ragtime {
namespace {

TEST(Language, IsToldForQuestionsOfEveryKnownLanguage) {
  EXPECT_EQ(DetectLanguage("How do I restore a backup?"), "en");
  EXPECT_EQ(DetectLanguage("WHAT IS THE DEFAULT PORT"), "en");
  EXPECT_EQ(DetectLanguage("如何恢复备份？"), "zh");
  EXPECT_EQ(DetectLanguage("どのようにバックアップを復元しますか"), "ja");
  EXPECT_EQ(DetectLanguage("백업을 어떻게 복원합니까?"), "ko");
  EXPECT_EQ(DetectLanguage("Wie kann ich eine Sicherung wiederherstellen?"), "de");
  EXPECT_EQ(DetectLanguage("Comment puis-je restaurer une sauvegarde ?"), "fr");
  EXPECT_EQ(DetectLanguage("¿Cómo puedo restaurar una copia de seguridad?"), "es");
  EXPECT_EQ(DetectLanguage("Как восстановить резервную копию?"), "ru");
  EXPECT_EQ(DetectLanguage("كيف أستعيد النسخة الاحتياطية؟"), "ar");
}

TEST(Language, IsThatOfTheSentenceAndNotOfTheNamesInIt) {
  EXPECT_EQ(DetectLanguage("怎么用 pg_dump 和 pg_restore 迁移 PostgreSQL 数据库?"), "zh");
  EXPECT_EQ(DetectLanguage("什么是 write ahead logging and checkpoint tuning"), "zh");
  EXPECT_EQ(DetectLanguage("What does the word 备份 mean in this manual?"), "en");
  EXPECT_EQ(DetectLanguage("Как настроить streaming replication?"), "ru");
}

TEST(Language, OfFewAsciiKeywordsIsEnglishAndOfLongerUnknownTextNone) {
  EXPECT_EQ(DetectLanguage("pg_dump format"), "en");
  EXPECT_EQ(DetectLanguage("restore"), "en");
  EXPECT_EQ(DetectLanguage("jak mogę przywrócić kopię zapasową bazy danych"), "");
  EXPECT_EQ(DetectLanguage("kuinka varmuuskopio palautetaan nopeasti takaisin"), "");
}

TEST(Language, OfNeighboursIsNotTakenForAKnownOne) {
  EXPECT_EQ(DetectLanguage("Come posso ripristinare il backup della banca dati?"), "");
  EXPECT_EQ(DetectLanguage("Como posso restaurar um backup do banco de dados?"), "");
  EXPECT_EQ(DetectLanguage("Hoe kan ik een back-up van de database terugzetten?"), "");
  EXPECT_EQ(DetectLanguage("Як відновити резервну копію?"), "");
  EXPECT_EQ(DetectLanguage("چگونه پشتیبان را بازیابی کنم؟"), "");
  EXPECT_EQ(DetectLanguage("สำรองข้อมูลอย่างไร"), "");
}

TEST(Language, OfNothingIsNone) {
  EXPECT_EQ(DetectLanguage(""), "");
  EXPECT_EQ(DetectLanguage("  123 ?! \n"), "");
  EXPECT_EQ(DetectLanguage("\xff\xfe\x80"), "");
}

TEST(Language, IsAKnownCodeForAnyBytes) {
  const std::set<std::string> known = {"", "en", "de", "fr", "es", "zh", "ja", "ko", "ru", "ar"};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_TRUE(known.contains(DetectLanguage(text)));
  }
}

TEST(FunctionWords, AreThereForTheLanguagesWithLists) {
  for (const char* language : {"en", "de", "fr", "es", "zh", "ja"}) EXPECT_GT(FunctionWords(language).size(), 10u);
  EXPECT_TRUE(FunctionWords("ko").empty());
  EXPECT_TRUE(FunctionWords("").empty());
}

}  // namespace
}  // namespace ragtime
