// SPDX-License-Identifier: Apache-2.0
//
// Goal: the ids are those of the tokenizers package (golden file), words of any length and bytes of any kind have ids,
// and a damaged file gives wrong ids at worst.
#include "text/wordpiece_tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.h"
#include "golden/e5/golden_file.h"

namespace ragtime {
namespace {

constexpr char kModel[] = RAGTIME_TEST_MODELS "/all-minilm-l6-v2/tokenizer.bin";
constexpr int32_t kUnknown = 100;

std::unique_ptr<Tokenizer> OpenModel(const std::string& path = kModel) {
  auto tokenizer = OpenTokenizer(path);
  if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> Encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  tokenizer.Encode(text, ids);
  return ids;
}

TEST(WordPieceTokenizerTest, GivesTheReferencesTokens) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream golden(RAGTIME_SOURCE_DIR "/tests/golden/minilm/tokens.txt");
  size_t texts = 0;
  for (const auto& item : golden::Load(RAGTIME_SOURCE_DIR "/tests/golden/e5")) {
    std::string line;
    ASSERT_TRUE(std::getline(golden, line));
    std::istringstream fields(line);
    std::vector<int32_t> expected;
    for (int32_t id = 0; fields >> id;) expected.push_back(id);
    EXPECT_EQ(Encode(*tokenizer, item.text), expected) << item.text;
    EXPECT_EQ(tokenizer->Count(item.text), expected.size()) << item.text;
    ++texts;
  }
  EXPECT_EQ(texts, 50u);
  EXPECT_EQ(tokenizer->special().begin, 101);
  EXPECT_EQ(tokenizer->special().end, 102);
  EXPECT_EQ(tokenizer->special().padding, 0);
  EXPECT_EQ(tokenizer->special().unknown, kUnknown);
}

TEST(WordPieceTokenizerTest, IgnoresCaseAndAccentsAndSplitsAtPunctuation) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(Encode(*tokenizer, "CAFÉ Cafe\u0301"), Encode(*tokenizer, "cafe cafe"));
  EXPECT_EQ(Encode(*tokenizer, "end.Start"), Encode(*tokenizer, "end . start"));
  EXPECT_EQ(Encode(*tokenizer, "").size(), 0u);
  EXPECT_EQ(Encode(*tokenizer, " \t\n").size(), 0u);
}

TEST(WordPieceTokenizerTest, AWordTooLongIsOneUnknownToken) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_GT(tokenizer->Count(std::string(100, 'a')), 1u);
  EXPECT_EQ(Encode(*tokenizer, std::string(101, 'a')), std::vector<int32_t>{kUnknown});
  EXPECT_EQ(Encode(*tokenizer, std::string(1 << 20, 'a')), std::vector<int32_t>{kUnknown});
  std::string accents;
  for (int i = 0; i < 101; ++i) accents += "е";  // Two bytes each.
  EXPECT_EQ(Encode(*tokenizer, accents), std::vector<int32_t>{kUnknown});
  EXPECT_GT(tokenizer->Count(accents.substr(2)), 1u);
}

TEST(WordPieceTokenizerTest, BytesThatAreNotUtf8AreRemoved) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(Encode(*tokenizer, "wa\xFFter \xC3(x)"), Encode(*tokenizer, "water (x)"));
  EXPECT_EQ(Encode(*tokenizer, std::string_view("a\0b", 3)), Encode(*tokenizer, "ab"));
}

TEST(WordPieceTokenizerTest, ADamagedBodyGivesWrongIdsAtWorst) {
  const std::string path = testing::TempDir() + "ragtime_wordpiece_" + std::to_string(getpid()) + ".bin";
  const auto original = ReadFile(kModel);
  ASSERT_TRUE(original.ok()) << original.status().ToString();
  const auto items = golden::Load(RAGTIME_SOURCE_DIR "/tests/golden/e5");
  std::mt19937 random(5);
  for (int i = 0; i < 40; ++i) {
    std::string bytes = *original;
    const size_t size = 1 + random() % 100000;
    const size_t offset = 256 + random() % (bytes.size() - 256 - size);
    for (size_t k = 0; k < size; ++k) bytes[offset + k] = static_cast<char>(i % 4 == 0 ? 0xFF : random());
    std::ofstream(path, std::ios::binary) << bytes;
    const auto tokenizer = OpenModel(path);
    ASSERT_NE(tokenizer, nullptr);
    for (const auto& item : items) {
      for (const int32_t id : Encode(*tokenizer, item.text)) {
        ASSERT_GE(id, 0);
        ASSERT_LT(static_cast<size_t>(id), tokenizer->vocabulary_size());
      }
    }
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace ragtime
