// SPDX-License-Identifier: Apache-2.0
//
// Goal: a GGUF file is read as the format describes it, and no damaged header leads outside of the file.
// Method: files written here byte by byte; then truncations and a thousand random changes of the header.
#include "model/gguf_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace ragtime {
namespace {

class GgufFileTest : public testing::Test {
 protected:
  GgufFileTest() {
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("gguf_file_test_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".gguf");
  }
  ~GgufFileTest() override { std::filesystem::remove(path_); }

  template <typename T>
  static void Put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void PutString(std::string& out, std::string_view text) {
    Put<uint64_t>(out, text.size());
    out += text;
  }
  static void PutTensor(std::string& out, std::string_view name, std::vector<uint64_t> sizes, uint32_t type,
                        uint64_t offset) {
    PutString(out, name);
    Put<uint32_t>(out, static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) Put(out, size);
    Put(out, type);
    Put(out, offset);
  }

  // Settings of several types, an array to pass over, and three tensors.
  std::string Sample() {
    std::string out = "GGUF";
    Put<uint32_t>(out, 3);
    Put<uint64_t>(out, 3);
    Put<uint64_t>(out, 5);
    PutString(out, "general.architecture");
    Put<uint32_t>(out, 8);
    PutString(out, "bert");
    PutString(out, "words");
    Put<uint32_t>(out, 9);
    Put<uint32_t>(out, 8);
    Put<uint64_t>(out, 2);
    PutString(out, "one");
    PutString(out, "two");
    PutString(out, "scores");
    Put<uint32_t>(out, 9);
    Put<uint32_t>(out, 6);
    Put<uint64_t>(out, 3);
    for (int i = 0; i < 3; ++i) Put<float>(out, 1.5f);
    PutString(out, "layers");
    Put<uint32_t>(out, 4);
    Put<uint32_t>(out, 12);
    PutString(out, "epsilon");
    Put<uint32_t>(out, 6);
    Put<float>(out, 0.25f);
    PutTensor(out, "floats", {3, 2}, 0, 0);
    PutTensor(out, "blocks", {32, 2}, 2, 32);
    PutTensor(out, "unknown", {256}, 14, 96);
    header_bytes_ = out.size();
    out.resize((out.size() + 31) / 32 * 32);
    data_start_ = out.size();
    for (int i = 0; i < 512; ++i) out += static_cast<char>(i);
    return out;
  }

  Result<GgufFile> Open(std::string_view bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return GgufFile::Open(path_);
  }

  std::filesystem::path path_;
  size_t header_bytes_ = 0;
  size_t data_start_ = 0;
};

TEST_F(GgufFileTest, ReadsSettingsAndTensorsInPlace) {
  const std::string bytes = Sample();
  const auto file = Open(bytes);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->String("general.architecture"), "bert");
  EXPECT_EQ(file->Integer("layers"), 12u);
  EXPECT_EQ(file->Float("epsilon"), 0.25);
  EXPECT_EQ(file->Integer("epsilon"), std::nullopt);
  EXPECT_EQ(file->Integer("words"), std::nullopt);
  const GgufTensor* floats = file->Find("floats");
  ASSERT_NE(floats, nullptr);
  EXPECT_EQ(floats->sizes, (std::array<uint64_t, 4>{3, 2, 1, 1}));
  ASSERT_EQ(floats->bytes.size(), 24u);
  EXPECT_EQ(std::memcmp(floats->bytes.data(), bytes.data() + data_start_, 24), 0);
  const GgufTensor* blocks = file->Find("blocks");
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->bytes.size(), 36u);
  EXPECT_EQ(file->Find("unknown"), nullptr);
}

TEST_F(GgufFileTest, RefusesWhatIsNoGguf) {
  for (const std::string& bytes :
       {std::string(), std::string("GG"), std::string("PK\x03\x04 and more bytes than a header"),
        std::string("GGUF\x09\0\0\0", 8)}) {
    const auto file = Open(bytes);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), StatusCode::kDataLoss);
    EXPECT_NE(file.status().message().find(path_.filename().string()), std::string::npos);
  }
  EXPECT_EQ(GgufFile::Open("/nonexistent.gguf").status().code(), StatusCode::kNotFound);
}

TEST_F(GgufFileTest, RefusesTruncationsThatCutSomethingNamed) {
  const std::string bytes = Sample();
  const size_t needed = data_start_ + 32 + 36;
  for (size_t size = 0; size < bytes.size(); size += size < header_bytes_ ? 3 : 11) {
    EXPECT_EQ(Open(std::string_view(bytes).substr(0, size)).ok(), size >= needed) << size;
  }
}

TEST_F(GgufFileTest, NoChangeOfTheHeaderLeadsOutOfTheFile) {
  const std::string bytes = Sample();
  std::mt19937 random(7);
  size_t accepted = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string changed = bytes;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      constexpr uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff};
      changed[4 + random() % (header_bytes_ - 4)] =
          static_cast<char>(random() % 2 != 0 ? random() : kTelling[random() % std::size(kTelling)]);
    }
    const auto file = Open(changed);
    if (!file.ok()) continue;
    ++accepted;
    for (const char* name : {"floats", "blocks", "unknown"}) {
      const GgufTensor* tensor = file->Find(name);
      if (tensor == nullptr) continue;
      unsigned sum = 0;  // Reads every byte: the address sanitizer and the mapping's end catch what is outside.
      for (const std::byte b : tensor->bytes) sum += static_cast<unsigned>(b);
      EXPECT_LE(tensor->bytes.size(), bytes.size()) << sum;
    }
  }
  EXPECT_GT(accepted, 50u);  // Else the changes were too coarse to test anything.
}

TEST_F(GgufFileTest, HalvesAreReadAsIeeeDefinesThem) {
  EXPECT_EQ(HalfToFloat(0x0000), 0.0f);
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(HalfToFloat(0x8001), -0x1p-24f);
  EXPECT_EQ(HalfToFloat(0x0400), 0x1p-14f);
  EXPECT_TRUE(std::isinf(HalfToFloat(0x7c00)));
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e00)));
}

}  // namespace
}  // namespace ragtime
