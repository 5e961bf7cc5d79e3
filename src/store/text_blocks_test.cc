// SPDX-License-Identifier: Apache-2.0
//
// Goal: every text comes back as it was put, with a dictionary, without one, and from sections of version 0.
// Method: texts of a small vocabulary, more and fewer than a dictionary needs; flipped bytes; a section made by hand.
#include "store/text_blocks.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>

#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

struct Entry {
  std::string text;
  std::vector<std::string> heading;
  TextPlace place;
};

class TextBlocksTest : public testing::Test {
 protected:
  std::string RandomText(size_t words) {
    std::string text;
    for (size_t i = 0; i < words; ++i) {
      text += vocabulary_[random_.Below(random_.Below(vocabulary_.size()) + 1)];
      text += random_.Below(12) == 0 ? ".\n" : " ";
    }
    return text;
  }

  std::vector<std::byte> Build(size_t texts, size_t words_max) {
    TextBlocksBuilder builder;
    for (size_t i = 0; i < texts; ++i) {
      Entry entry{.text = RandomText(random_.Below(words_max)), .heading = {}, .place = {}};
      for (size_t h = random_.Below(3); h > 0; --h) entry.heading.push_back(RandomText(3));
      entry.place = Value(builder.Add(entry.text, entry.heading));
      size_bytes_ += entry.text.size();
      entries_.push_back(std::move(entry));
    }
    return Value(builder.Finish());
  }

  void ExpectHoldsAll(std::span<const std::byte> section) {
    const TextBlocks blocks(section);
    TextBlockCache cache;
    for (size_t i = 0; i < 3 * entries_.size(); ++i) {
      const Entry& entry = entries_[i < entries_.size() ? i : random_.Below(entries_.size())];
      Node node;
      ASSERT_OK(blocks.Read(entry.place, cache, node));
      ASSERT_EQ(node.text, entry.text);
      ASSERT_EQ(node.heading, entry.heading);
    }
  }

  static uint32_t DictionarySize(std::span<const std::byte> section) { return LoadAt<uint32_t>(section, 1); }

  const uint64_t seed_ = SeedFromEnvironment();
  Random random_{seed_};
  testing::ScopedTrace trace_{__FILE__, __LINE__, "RAGTIME_SEED=" + std::to_string(seed_)};
  const std::vector<std::string> vocabulary_ = [this] {
    std::vector<std::string> words = {"索引", "备份", "👍", std::string(1, '\0')};
    while (words.size() < 2000) {
      std::string word;
      for (size_t i = 2 + random_.Below(9); i > 0; --i) word += static_cast<char>('a' + random_.Below(26));
      words.push_back(std::move(word));
    }
    return words;
  }();
  std::vector<Entry> entries_;
  size_t size_bytes_ = 0;
};

TEST_F(TextBlocksTest, ManyTextsShareADictionary) {
  const auto section = Build(2000, 250);
  EXPECT_GT(DictionarySize(section), 4096u);
  ExpectHoldsAll(section);
  // Blocks of the same size without a dictionary.
  size_t alone = 0;
  for (const Entry& entry : entries_) {
    std::string frame(ZSTD_compressBound(entry.text.size()), '\0');
    alone += ZSTD_compress(frame.data(), frame.size(), entry.text.data(), entry.text.size(), 3);
  }
  EXPECT_LT(static_cast<double>(section.size()), 0.9 * static_cast<double>(alone)) << "of " << size_bytes_;
}

TEST_F(TextBlocksTest, FewTextsHaveNone) {
  const auto section = Build(40, 100);
  EXPECT_EQ(DictionarySize(section), 0u);
  ExpectHoldsAll(section);
}

TEST_F(TextBlocksTest, ItLearnsFromTheFirstOfVeryMany) {
  const std::string text = RandomText(30000);
  TextBlocksBuilder builder;
  while (size_bytes_ < (size_t{20} << 20)) {
    const size_t start = random_.Below(text.size() / 2);
    Entry entry{.text = text.substr(start, random_.Below(40000)), .heading = {}, .place = {}};
    entry.place = Value(builder.Add(entry.text, entry.heading));
    size_bytes_ += entry.text.size();
    entries_.push_back(std::move(entry));
  }
  const auto section = Value(builder.Finish());
  EXPECT_GT(DictionarySize(section), 4096u);
  ExpectHoldsAll(section);
}

TEST_F(TextBlocksTest, WhatTeachesNothingIsKeptAllTheSame) {
  TextBlocksBuilder builder;
  const std::vector<std::string> texts = {std::string(200000, 'a'), "", std::string(200000, '\0'), "b"};
  for (const std::string& text : texts) {
    entries_.push_back({.text = text, .heading = {}, .place = Value(builder.Add(text, {}))});
  }
  ExpectHoldsAll(Value(builder.Finish()));
  EXPECT_EQ(Value(TextBlocksBuilder().Finish()).size(), 8u);
}

TEST_F(TextBlocksTest, DamageIsTold) {
  const auto good = Build(1000, 250);
  ASSERT_GT(DictionarySize(good), 4096u);
  size_t found = 0;
  for (int round = 0; round < 300; ++round) {
    auto bad = good;
    // Every other time in the header, the table and the dictionary.
    const size_t table = 8 + LoadAt<uint32_t>(good, 0) * sizeof(TextBlockEntry) + DictionarySize(good);
    bad[random_.Below(round % 2 == 0 ? table : bad.size())] ^= static_cast<std::byte>(1 + random_.Below(255));
    const TextBlocks blocks(bad);
    TextBlockCache cache;
    bool told = false;
    for (const Entry& entry : entries_) {
      Node node;
      const Status status = blocks.Read(entry.place, cache, node);
      told |= !status.ok();
      if (status.ok()) {
        EXPECT_EQ(node.text, entry.text);
      } else {
        EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss));
      }
    }
    found += told ? 1 : 0;
  }
  EXPECT_GT(found, 250u) << "some bytes of a dictionary are of no text";
  for (size_t size = 0; size < 64; ++size) {
    TextBlockCache cache;
    Node node;
    EXPECT_FALSE(TextBlocks(std::span(good).first(size)).Read(entries_[0].place, cache, node).ok());
  }
}

TEST_F(TextBlocksTest, SectionsOfVersion0AreRead) {
  std::string block;
  const auto append = [&block](uint32_t size, std::string_view bytes) {
    block.append(reinterpret_cast<const char*>(&size), sizeof(size));
    block += bytes;
  };
  for (int i = 0; i < 50; ++i) {
    Entry entry{.text = RandomText(random_.Below(100)), .heading = {"title"}, .place = {}};
    entry.place.offset = static_cast<uint32_t>(block.size());
    append(static_cast<uint32_t>(entry.text.size()), entry.text);
    append(1, "");
    append(5, "title");
    entries_.push_back(std::move(entry));
  }
  std::string frame(ZSTD_compressBound(block.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), block.data(), block.size(), 3));
  const uint32_t header[2] = {1, 0};
  const TextBlockEntry entry{.offset = sizeof(header) + sizeof(TextBlockEntry),
                             .compressed_size = static_cast<uint32_t>(frame.size()),
                             .size = static_cast<uint32_t>(block.size())};
  std::vector<std::byte> section(entry.offset + frame.size());
  std::memcpy(section.data(), header, sizeof(header));
  std::memcpy(section.data() + sizeof(header), &entry, sizeof(entry));
  std::memcpy(section.data() + entry.offset, frame.data(), frame.size());
  ExpectHoldsAll(section);
}

}  // namespace
}  // namespace ragtime
