// SPDX-License-Identifier: Apache-2.0
//
// Goal: the ids are those of the reference engine (golden file) and of a naive implementation (random texts), for bytes
// of any kind and texts of any size; and a damaged file is an error or at worst wrong ids, never a read outside of it.
#include "text/unigram_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/files.h"
#include "golden/e5/golden_file.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

const std::string& ModelPath() {
  static const std::string path = RAGTIME_TEST_MODELS "/multilingual-e5-small/tokenizer.bin";
  return path;
}

std::vector<golden::Item> Golden() { return golden::Load(RAGTIME_SOURCE_DIR "/tests/golden/e5"); }

std::unique_ptr<Tokenizer> OpenModel() {
  auto tokenizer = OpenTokenizer(ModelPath());
  if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.status().ToString();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> Encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  tokenizer.Encode(text, ids);
  return ids;
}

// The reference engine's algorithm with nothing shared but the views of the file: whole text at once, pieces in a map.
class NaiveTokenizer {
 public:
  explicit NaiveTokenizer(const TokenizerFile& file)
      : scores_(*file.Scores()), characters_(*file.CharacterMap()), file_(file) {
    AddPieces(*file.Trie(TokenizerSection::kTrie), 0, "");
  }

  size_t size() const { return pieces_.size(); }
  const std::map<std::string, int32_t>& pieces() const { return pieces_; }

  std::vector<int32_t> Encode(std::string_view text) const {
    const std::vector<std::string> characters = Normalize(text);
    const size_t n = characters.size();
    std::vector<float> best(n + 1, -1e30f);
    std::vector<size_t> from(n + 1);
    std::vector<int32_t> last(n + 1);
    best[0] = 0;
    for (size_t i = 0; i < n; ++i) {
      const auto offer = [&](size_t end, int32_t id, float score) {
        if (best[i] + score <= best[end]) return;
        best[end] = best[i] + score;
        from[end] = i;
        last[end] = id;
      };
      std::string spelled;
      for (size_t end = i + 1; end <= n; ++end) {
        spelled += characters[end - 1];
        if (spelled.size() > file_.piece_bytes_max()) break;
        const auto found = pieces_.find(spelled);
        if (found != pieces_.end()) offer(end, found->second, scores_[found->second]);
      }
      offer(i + 1, file_.special().unknown, file_.unknown_score());
    }
    std::vector<int32_t> ids;
    for (size_t i = n; i > 0; i = from[i]) ids.insert(ids.begin(), last[i]);
    return ids;
  }

 private:
  void AddPieces(const TrieView& trie, uint32_t slot, const std::string& spelled) {
    if (trie.Piece(slot) != 0) pieces_[spelled] = static_cast<int32_t>(trie.Piece(slot)) - 1;
    for (int byte = 0; byte < 256; ++byte) {
      const uint32_t child = trie.Child(slot, static_cast<uint8_t>(byte));
      if (child != 0) AddPieces(trie, child, spelled + static_cast<char>(byte));
    }
  }

  std::vector<std::string> Normalize(std::string_view text) const {
    std::string replaced;
    const std::string valid = ReplaceInvalidUtf8(text);
    for (size_t i = 0; i < valid.size();) {
      const DecodedCharacter character = DecodeUtf8(valid, i);
      std::string_view replacement = std::string_view(valid).substr(i, character.size_bytes);
      characters_.Find(character.code_point, replacement);
      replaced += replacement;
      i += character.size_bytes;
    }
    std::vector<std::string> characters;
    if (replaced.empty() || replaced[0] != ' ') characters.push_back("▁");
    for (size_t i = 0; i < replaced.size();) {
      const size_t size = DecodeUtf8(replaced, i).size_bytes;
      const bool space = replaced[i] == ' ';
      if (!space || i == 0 || replaced[i - 1] != ' ') characters.push_back(space ? "▁" : replaced.substr(i, size));
      i += size;
    }
    return characters;
  }

  std::map<std::string, int32_t> pieces_;
  std::span<const float> scores_;
  CharacterMapView characters_;
  const TokenizerFile& file_;
};

// Texts of pieces, characters of many scripts, spaces and raw bytes.
std::string RandomText(const std::map<std::string, int32_t>& pieces, std::mt19937& random) {
  static const std::vector<std::string> kPool = [&pieces] {
    std::vector<std::string> pool;
    size_t i = 0;
    for (const auto& [piece, id] : pieces) {
      if (i++ % 50 == 0) pool.push_back(piece);
    }
    return pool;
  }();
  std::string text;
  for (size_t parts = random() % 40; parts > 0; --parts) {
    switch (random() % 6) {
      case 0:
        text.append(1 + random() % 3, " \t\n\xC2"[random() % 4]);
        break;
      case 1:
        AppendUtf8(random() % 0x3000, text);
        break;
      case 2:
        AppendUtf8(0x4E00 + random() % 0x5200, text);
        break;
      case 3:
        text += static_cast<char>(random());
        break;
      case 4:
        AppendUtf8(0xF900 + random() % 0x10000, text);
        break;
      default:
        text += kPool[random() % kPool.size()];
    }
  }
  return text;
}

TEST(UnigramTokenizerTest, GivesTheReferencesTokens) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  const auto items = Golden();
  ASSERT_EQ(items.size(), 50u);
  for (const golden::Item& item : items) {
    EXPECT_EQ(Encode(*tokenizer, item.text), item.tokens) << item.text;
    EXPECT_EQ(tokenizer->Count(item.text), item.tokens.size()) << item.text;
  }
  EXPECT_EQ(tokenizer->special().begin, 0);
  EXPECT_EQ(tokenizer->special().padding, 1);
  EXPECT_EQ(tokenizer->special().end, 2);
  EXPECT_EQ(tokenizer->special().unknown, 3);
}

TEST(UnigramTokenizerTest, AgreesWithANaiveImplementation) {
  const auto file = TokenizerFile::Open(ModelPath());
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const NaiveTokenizer naive(*file);
  ASSERT_EQ(naive.size(), file->vocabulary_size() - 1) << "all pieces but the unknown one are in the trie";
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = RandomText(naive.pieces(), random);
    ASSERT_EQ(Encode(*tokenizer, text), naive.Encode(text)) << testing::PrintToString(text);
  }
}

TEST(UnigramTokenizerTest, AppendsToTheIdsGiven) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  std::vector<int32_t> ids = {0};
  tokenizer->Encode("world", ids);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0], 0);
}

TEST(UnigramTokenizerTest, ReadsBytesThatAreNotUtf8AsReplacementCharacters) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(Encode(*tokenizer, "caf\xE9 bar"), Encode(*tokenizer, "caf\xEF\xBF\xBD bar"));
  EXPECT_EQ(Encode(*tokenizer, "\xFF\xFE\x80"), Encode(*tokenizer, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"));
  EXPECT_EQ(Encode(*tokenizer, std::string_view("a\0b", 3)).size(), 3u) << "a NUL byte is a character, not the end";
}

TEST(UnigramTokenizerTest, SplitsLongTextsAsShortOnes) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  const std::string sentence = "the water cools for a minute before the leaves go in, 然后加入茶叶。 ";
  const std::vector<int32_t> one = Encode(*tokenizer, sentence.substr(0, sentence.size() - 1));
  std::string text;
  std::vector<int32_t> expected;
  while (text.size() < 1 << 20) {
    text += sentence;
    expected.insert(expected.end(), one.begin(), one.end());
  }
  text.pop_back();
  EXPECT_EQ(Encode(*tokenizer, text), expected);
}

TEST(UnigramTokenizerTest, SplitsALongRunWithoutACut) {
  const auto tokenizer = OpenModel();
  ASSERT_NE(tokenizer, nullptr);
  const std::string run(1 << 20, 'a');
  const std::vector<int32_t> ids = Encode(*tokenizer, run);
  EXPECT_GT(ids.size(), run.size() / 48);
  EXPECT_LT(ids.size(), run.size());
  EXPECT_EQ(tokenizer->Count(run), ids.size());
  EXPECT_EQ(tokenizer->Count(std::string(1 << 20, ' ')), 1u);
  EXPECT_EQ(tokenizer->Count(std::string(1 << 20, '\x01')), 1u) << "removed characters leave the leading space alone";
}

// A copy of the model that a test may damage in place.
class DamagedTokenizerTest : public testing::Test {
 protected:
  static constexpr size_t kHeaderBytes = 256;

  void SetUp() override {
    path_ = testing::TempDir() + "ragtime_tokenizer_" + std::to_string(getpid()) + ".bin";
    const auto bytes = ReadFile(ModelPath());
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    original_ = *bytes;
    Write(0, original_);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  void Write(size_t offset, std::string_view bytes) {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    if (!file) file.open(path_, std::ios::binary | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }

  static void Sign(std::string& header) {
    std::memset(&header[24], 0, 8);
    uint64_t hash = 0xCBF29CE484222325;
    for (const char byte : header) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
    std::memcpy(&header[24], &hash, 8);
  }

  // Opens and, where that works, encodes: ids must be in the vocabulary. Returns whether it opened.
  bool Use() {
    auto tokenizer = OpenTokenizer(path_);
    if (!tokenizer.ok()) {
      EXPECT_THAT(tokenizer.status().message(), testing::HasSubstr(path_));
      EXPECT_FALSE(tokenizer.status().remedy().empty());
      return false;
    }
    for (const golden::Item& item : items_) {
      for (const int32_t id : Encode(**tokenizer, item.text)) {
        EXPECT_GE(id, 0);
        EXPECT_LT(static_cast<size_t>(id), (*tokenizer)->vocabulary_size());
      }
    }
    return true;
  }

  std::string path_;
  std::string original_;
  std::vector<golden::Item> items_ = Golden();
};

TEST_F(DamagedTokenizerTest, AnyFlippedBitOfTheHeaderIsAnError) {
  EXPECT_TRUE(Use());
  for (size_t bit = 0; bit < kHeaderBytes * 8; ++bit) {
    const char flipped = static_cast<char>(original_[bit / 8] ^ (1 << bit % 8));
    Write(bit / 8, std::string_view(&flipped, 1));
    const auto tokenizer = OpenTokenizer(path_);
    EXPECT_FALSE(tokenizer.ok()) << "bit " << bit;
    Write(bit / 8, std::string_view(&original_[bit / 8], 1));
  }
  EXPECT_TRUE(Use());
}

TEST_F(DamagedTokenizerTest, AHeaderThatLiesIsAnErrorOrHarmless) {
  std::mt19937 random(11);
  size_t refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string header = original_.substr(0, kHeaderBytes);
    // Words of 4 bytes after the file's size: special tokens, vocabulary, sections.
    for (size_t changes = 1 + random() % 2; changes > 0; --changes) {
      const size_t offset = 8 + random() % 60 * 4;
      const uint32_t value = random() % 2 == 0 ? random() : random() % 1024;
      std::memcpy(&header[offset], &value, sizeof(value));
    }
    Sign(header);
    Write(0, header);
    if (!Use()) ++refused;
  }
  EXPECT_GT(refused, 100u);
}

TEST_F(DamagedTokenizerTest, ADamagedBodyGivesWrongIdsAtWorst) {
  std::mt19937 random(13);
  for (int i = 0; i < 60; ++i) {
    // Sections of very different sizes: damage each as often.
    uint64_t place[2];
    std::memcpy(place, &original_[96 + random() % 5 * 24 + 8], sizeof(place));
    std::string noise(std::min<size_t>(place[1], 64 + random() % 100000), '\0');
    for (char& byte : noise) byte = static_cast<char>(i % 2 == 0 ? random() : 0xFF);
    const size_t offset = place[0] + random() % (place[1] - noise.size() + 1);
    Write(offset, noise);
    EXPECT_TRUE(Use());
    Write(offset, std::string_view(original_).substr(offset, noise.size()));
  }
}

TEST_F(DamagedTokenizerTest, AShortFileIsAnError) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{4096}, original_.size() - 1}) {
    std::filesystem::resize_file(path_, size);
    EXPECT_FALSE(Use()) << size;
    Write(0, original_);
  }
  std::filesystem::resize_file(path_, original_.size() + 1);
  EXPECT_FALSE(Use());
  std::filesystem::remove(path_);
  EXPECT_FALSE(Use());
}

TEST_F(DamagedTokenizerTest, ANewerFormatSaysSo) {
  std::string header = original_.substr(0, kHeaderBytes);
  header[8] = 9;
  Sign(header);
  Write(0, header);
  const auto tokenizer = OpenTokenizer(path_);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(tokenizer.status().message(), testing::HasSubstr("format 9"));
}

}  // namespace
}  // namespace ragtime
