// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a text's length and its company, its vector is the weighted mean of its windows, with length 1.
// Method: an encoder whose vectors are a known function of the ids, and the mean computed here, naively.
#include "model/text_windows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace ragtime {
namespace {

constexpr size_t kDimension = 4;

std::vector<float> VectorOf(const std::vector<int32_t>& ids) {
  std::vector<float> vector(kDimension, 0.01f);
  for (size_t i = 0; i < ids.size(); ++i)
    vector[static_cast<size_t>(ids[i]) % kDimension] += static_cast<float>(ids[i] + 1) / static_cast<float>(i + 1);
  return vector;
}

class KnownEncoder final : public Encoder {
 public:
  explicit KnownEncoder(size_t max_tokens) { info_ = {"known", kDimension, max_tokens, 300}; }
  const EncoderInfo& info() const override { return info_; }
  Status Encode(const Context&, std::span<const std::vector<int32_t>> sequences, float* out) override {
    for (size_t i = 0; i < sequences.size(); ++i) {
      RAGTIME_RETURN_IF_ERROR(CheckSequence(info_, sequences[i]));
      if (i > 0) sorted = sorted && sequences[i - 1].size() >= sequences[i].size();
      most_sequences = std::max(most_sequences, sequences.size());
      const auto vector = VectorOf(sequences[i]);
      std::copy(vector.begin(), vector.end(), out + i * kDimension);
    }
    return Status();
  }
  bool sorted = true;
  size_t most_sequences = 0;

 private:
  EncoderInfo info_;
};

class TextWindowsTest : public testing::Test {
 protected:
  static constexpr size_t kMaxTokens = 8;

  TextWindowsTest() {
    encoding_.model = "known";
    encoding_.dimension = kDimension;
    encoding_.max_tokens = kMaxTokens;
    encoding_.begin = {1};
    encoding_.end = {2};
    encoding_.tokenize = [](std::string_view text, std::vector<int32_t>& ids) {
      for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    };
    encoding_.choose = [this](size_t) -> Result<std::shared_ptr<Encoder>> {
      return std::shared_ptr<Encoder>(encoder_);
    };
  }

  // One text alone, by the definition.
  static std::vector<float> Naive(const std::string& text) {
    constexpr size_t kInner = kMaxTokens - 2;
    std::vector<double> sum(kDimension, 0.0);
    size_t begin = 0;
    do {
      const std::string part = text.substr(begin, kInner);
      std::vector<int32_t> ids = {1};
      for (const char c : part) ids.push_back(static_cast<unsigned char>(c));
      ids.push_back(2);
      const auto vector = VectorOf(ids);
      for (size_t i = 0; i < kDimension; ++i)
        sum[i] += vector[i] * static_cast<double>(std::max<size_t>(part.size(), 1));
      begin += kInner;
    } while (begin < text.size());
    double squares = 0;
    for (const double value : sum) squares += value * value;
    std::vector<float> vector;
    for (const double value : sum) vector.push_back(static_cast<float>(value / std::sqrt(squares)));
    return vector;
  }

  std::shared_ptr<KnownEncoder> encoder_ = std::make_shared<KnownEncoder>(kMaxTokens);
  TextEncoding encoding_;
};

TEST_F(TextWindowsTest, EveryTextGetsTheMeanOfItsWindows) {
  std::mt19937 random(3);
  std::vector<std::string> texts = {"", "a", "abcdef", "abcdefg", "abcdefghijkl"};
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (size_t size = random() % 40; size > 0; --size) text += static_cast<char>('a' + random() % 26);
    texts.push_back(text);
  }
  const auto vectors = EmbedTexts({}, encoding_, "p:", texts);
  ASSERT_TRUE(vectors.ok()) << vectors.status().ToString();
  ASSERT_EQ(vectors->size(), texts.size() * kDimension);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto expected = Naive("p:" + texts[i]);
    for (size_t k = 0; k < kDimension; ++k) EXPECT_NEAR((*vectors)[i * kDimension + k], expected[k], 1e-5) << texts[i];
  }
  EXPECT_TRUE(encoder_->sorted);
}

TEST_F(TextWindowsTest, AVeryLongTextIsHeldInParts) {
  const std::string text(100000, 'x');
  const auto vectors = EmbedTexts({}, encoding_, "", std::vector<std::string>{text, "y"});
  ASSERT_TRUE(vectors.ok());
  const auto expected = Naive(text);
  for (size_t k = 0; k < kDimension; ++k) EXPECT_NEAR((*vectors)[k], expected[k], 1e-4);
  EXPECT_LE(encoder_->most_sequences, 2048u);
}

TEST_F(TextWindowsTest, NoTextsGiveNoVectorsAndOpenNothing) {
  encoding_.choose = [](size_t) -> Result<std::shared_ptr<Encoder>> { return InternalError("opened"); };
  const auto vectors = EmbedTexts({}, encoding_, "", {});
  ASSERT_TRUE(vectors.ok());
  EXPECT_TRUE(vectors->empty());
  EXPECT_EQ(EmbedTexts({}, encoding_, "", std::vector<std::string>{"a"}).status().message(), "opened");
}

TEST_F(TextWindowsTest, AVectorThatIsNotFiniteIsAnError) {
  class Broken final : public Encoder {
   public:
    const EncoderInfo& info() const override { return info_; }
    Status Encode(const Context&, std::span<const std::vector<int32_t>> sequences, float* out) override {
      std::fill(out, out + sequences.size() * kDimension, std::numeric_limits<float>::quiet_NaN());
      return Status();
    }
    EncoderInfo info_;
  };
  encoding_.choose = [](size_t) -> Result<std::shared_ptr<Encoder>> { return std::shared_ptr<Encoder>(new Broken); };
  const auto vectors = EmbedTexts({}, encoding_, "", std::vector<std::string>{"a"});
  ASSERT_FALSE(vectors.ok());
  EXPECT_EQ(vectors.status().code(), StatusCode::kInternal);
}

TEST_F(TextWindowsTest, ACancelledRequestStops) {
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  EXPECT_EQ(EmbedTexts(context, encoding_, "", std::vector<std::string>{"a"}).status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace ragtime
