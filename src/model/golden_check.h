// SPDX-License-Identifier: Apache-2.0
//
// For tests: the golden texts of multilingual-e5-small through an encoder or an embedder, compared with the golden
// vectors.
#ifndef RAGTIME_MODEL_GOLDEN_CHECK_H_
#define RAGTIME_MODEL_GOLDEN_CHECK_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "golden/e5/golden_file.h"
#include "model/text_windows.h"
#include "ragtime/embedder.h"
#include "text/tokenizer.h"

namespace ragtime::golden {

inline const std::string kModelFolder = std::string(RAGTIME_TEST_MODELS) + "/multilingual-e5-small";

inline const std::vector<Item>& Items() {
  static const std::vector<Item> items = Load(std::string(RAGTIME_SOURCE_DIR) + "/tests/golden/e5");
  return items;
}

inline std::vector<std::string> Texts() {
  std::vector<std::string> texts;
  for (const Item& item : Items()) texts.push_back(item.text);
  return texts;
}

inline float Cosine(const float* a, const float* b) {
  double product = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (size_t i = 0; i < kDimension; ++i) {
    product += static_cast<double>(a[i]) * b[i];
    squares_a += static_cast<double>(a[i]) * a[i];
    squares_b += static_cast<double>(b[i]) * b[i];
  }
  return static_cast<float>(product / std::sqrt(squares_a * squares_b));
}

using EmbedFunction = std::function<Result<std::vector<float>>(const std::vector<std::string>& texts, TextKind kind)>;

// An encoder with the model's tokenizer and prefixes.
inline EmbedFunction OverEncoder(std::shared_ptr<Encoder> encoder) {
  auto opened = OpenTokenizer(kModelFolder + "/tokenizer.bin");
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
  if (!opened.ok())
    return [](const auto&, TextKind) -> Result<std::vector<float>> { return NotFoundError("no tokenizer"); };
  const std::shared_ptr<Tokenizer> tokenizer = *std::move(opened);
  return [tokenizer, encoder = std::move(encoder)](const std::vector<std::string>& texts, TextKind kind) {
    TextEncoding encoding;
    encoding.model = "multilingual-e5-small";
    encoding.dimension = kDimension;
    encoding.max_tokens = 512;
    encoding.begin = {tokenizer->special().begin};
    encoding.end = {tokenizer->special().end};
    encoding.tokenize = [&](std::string_view text, std::vector<int32_t>& ids) { tokenizer->Encode(text, ids); };
    encoding.choose = [&](size_t) -> Result<std::shared_ptr<Encoder>> { return encoder; };
    return EmbedTexts({}, encoding, kind == TextKind::kQuery ? "query: " : "passage: ", texts);
  };
}

inline EmbedFunction OverEmbedder(Embedder& embedder) {
  return [&embedder](const std::vector<std::string>& texts, TextKind kind) { return embedder.Embed({}, texts, kind); };
}

// All golden texts, or the first `count`, as queries and as passages.
inline void ExpectGoldenVectors(const EmbedFunction& embed, float cosine_min, size_t count = 50) {
  ASSERT_EQ(Items().size(), 50u) << "tests/golden/e5 is not whole";
  std::vector<std::string> texts = Texts();
  texts.resize(count);
  for (const TextKind kind : {TextKind::kQuery, TextKind::kPassage}) {
    const auto vectors = embed(texts, kind);
    ASSERT_TRUE(vectors.ok()) << vectors.status().ToString();
    ASSERT_EQ(vectors->size(), texts.size() * kDimension);
    float lowest = 1;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto& expected = kind == TextKind::kQuery ? Items()[i].query : Items()[i].passage;
      const float cosine = Cosine(vectors->data() + i * kDimension, expected.data());
      EXPECT_GE(cosine, cosine_min) << "text " << i << ": " << texts[i].substr(0, 60);
      lowest = std::min(lowest, cosine);
      double squares = 0;
      for (size_t k = 0; k < kDimension; ++k)
        squares += std::pow(static_cast<double>((*vectors)[i * kDimension + k]), 2);
      EXPECT_NEAR(squares, 1.0, 1e-4) << "text " << i;
    }
    testing::Test::RecordProperty(kind == TextKind::kQuery ? "lowest_query_cosine" : "lowest_passage_cosine",
                                  std::to_string(lowest));
  }
}

// Texts alone and among many get the same vectors.
inline void ExpectCompanyDoesNotMatter(const EmbedFunction& embed, float cosine_min, size_t count = 50) {
  std::vector<std::string> texts = Texts();
  texts.resize(count);
  const auto together = embed(texts, TextKind::kPassage);
  ASSERT_TRUE(together.ok()) << together.status().ToString();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = embed({texts[i]}, TextKind::kPassage);
    ASSERT_TRUE(alone.ok()) << alone.status().ToString();
    EXPECT_GE(Cosine(alone->data(), together->data() + i * kDimension), cosine_min) << "text " << i;
  }
}

}  // namespace ragtime::golden

#endif  // RAGTIME_MODEL_GOLDEN_CHECK_H_
