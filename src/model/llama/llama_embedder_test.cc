// SPDX-License-Identifier: Apache-2.0
//
// Goal: llama.cpp gives an embedding GGUF's vectors, with our tokenizer or the file's own vocabulary, and a damaged
// file gives an error. Method: the golden vectors through encoder.gguf; all-MiniLM-L6-v2 where it lies beside the other
// models; damaged copies.
#include "model/llama/llama_embedder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "model/golden_check.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

LlamaEmbedderOptions GoldenOptions() {
  LlamaEmbedderOptions options;
  options.gguf = golden::kModelFolder + "/encoder.gguf";
  options.query_prefix = "query: ";
  options.passage_prefix = "passage: ";
  options.threads = 2;
  auto tokenizer = OpenTokenizer(golden::kModelFolder + "/tokenizer.bin");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  if (tokenizer.ok()) options.tokenizer = *std::move(tokenizer);
  return options;
}

TEST(LlamaEmbedderTest, GivesTheGoldenVectors) {
  const auto embedder = OpenLlamaEmbedder(GoldenOptions());
  ASSERT_TRUE(embedder.ok()) << embedder.status().ToString();
  EXPECT_EQ((*embedder)->info().dimension, 384u);
  EXPECT_EQ((*embedder)->info().max_tokens, 512u);
  EXPECT_EQ((*embedder)->info().model, "multilingual-e5-small");
  EXPECT_EQ((*embedder)->info().fingerprint.size(), 32u);
  golden::ExpectGoldenVectors(golden::OverEmbedder(**embedder), 0.99f);
  golden::ExpectCompanyDoesNotMatter(golden::OverEmbedder(**embedder), 0.9999f, 20);
}

TEST(LlamaEmbedderTest, TwoThreadsMayEmbedAtOnce) {
  const auto embedder = OpenLlamaEmbedder(GoldenOptions());
  ASSERT_TRUE(embedder.ok()) << embedder.status().ToString();
  const auto repeat = [&](size_t item) {
    for (int i = 0; i < 5; ++i) {
      const auto vectors =
          (*embedder)->Embed({}, std::vector<std::string>{golden::Items()[item].text}, TextKind::kQuery);
      ASSERT_TRUE(vectors.ok());
      EXPECT_GE(golden::Cosine(vectors->data(), golden::Items()[item].query.data()), 0.99f);
    }
  };
  std::jthread other([&] { repeat(7); });
  repeat(3);
}

TEST(LlamaEmbedderTest, TheBackgroundComputesWithTheThreadsThatAreLeft) {
  LlamaEmbedderOptions options = GoldenOptions();
  const auto budget = std::make_shared<ThreadBudget>(2);
  options.budget = budget;
  const auto embedder = OpenLlamaEmbedder(std::move(options));
  ASSERT_TRUE(embedder.ok()) << embedder.status().ToString();
  const std::vector<std::string> texts = {golden::Items()[3].text};
  const auto expect_vector = [&](const Context& context) {
    const auto vectors = (*embedder)->Embed(context, texts, TextKind::kQuery);
    ASSERT_TRUE(vectors.ok()) << vectors.status().ToString();
    EXPECT_GE(golden::Cosine(vectors->data(), golden::Items()[3].query.data()), 0.99f);
  };
  for (const size_t answering : {0, 1, 2}) {
    const ThreadBudget::Share answers = budget->TakeForAnswers(answering);
    expect_vector(Context{.in_background = true});
    expect_vector({});
  }
  const ThreadStatistics statistics = budget->statistics();
  EXPECT_EQ(statistics.background_pieces, 3u);
  EXPECT_EQ(statistics.questions_embedded, 3u);
  EXPECT_EQ(statistics.background + statistics.questions + statistics.answers, 0u);
}

TEST(LlamaEmbedderTest, AFileWithoutVocabularyNeedsATokenizer) {
  LlamaEmbedderOptions options = GoldenOptions();
  options.tokenizer = nullptr;
  const auto embedder = OpenLlamaEmbedder(options);
  ASSERT_FALSE(embedder.ok());
  EXPECT_EQ(embedder.status().code(), StatusCode::kInvalidArgument);
}

// A language model's file has a vocabulary of its own. Its vectors mean little; what counts is that near stays near.
TEST(LlamaEmbedderTest, AFilesOwnVocabularyServes) {
  LlamaEmbedderOptions options;
  options.gguf = std::string(RAGTIME_TEST_MODELS) + "/smollm2-135m-instruct/model.gguf";
  options.threads = 2;
  options.max_tokens = 64;
  const auto embedder = OpenLlamaEmbedder(options);
  ASSERT_TRUE(embedder.ok()) << embedder.status().ToString();
  EXPECT_EQ((*embedder)->CountTokens(""), 0u);
  EXPECT_EQ((*embedder)->CountTokens("Hello world"), 2u);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "The pump is cleaned. ";
  const std::vector<std::string> texts = {"The pump is cleaned.", "The pump is cleaned!", "一只猫", "", many};
  const auto vectors = (*embedder)->Embed({}, texts, TextKind::kPassage);
  ASSERT_TRUE(vectors.ok()) << vectors.status().ToString();
  const size_t d = (*embedder)->info().dimension;
  ASSERT_EQ(vectors->size(), texts.size() * d);
  const auto product = [&](size_t a, size_t b) {
    double sum = 0;
    for (size_t i = 0; i < d; ++i) sum += static_cast<double>((*vectors)[a * d + i]) * (*vectors)[b * d + i];
    return sum;
  };
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_NEAR(product(i, i), 1.0, 1e-4);
  EXPECT_GT(product(0, 1), product(0, 2));
  const auto alone = (*embedder)->Embed({}, std::vector<std::string>{texts[1]}, TextKind::kPassage);
  ASSERT_TRUE(alone.ok());
  double same = 0;
  for (size_t i = 0; i < d; ++i) same += static_cast<double>((*alone)[i]) * (*vectors)[d + i];
  EXPECT_GE(same, 0.9999);
}

TEST(LlamaEmbedderTest, DamagedFilesAreErrors) {
  const std::string whole = *ReadFile(std::string(RAGTIME_TEST_MODELS) + "/smollm2-135m-instruct/model.gguf");
  const fs::path path = fs::path(testing::TempDir()) / "llama_embedder_damaged.gguf";
  LlamaEmbedderOptions options;
  options.gguf = path;
  const auto fails = [&](std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    auto embedder = OpenLlamaEmbedder(options);
    if (embedder.ok()) return !(*embedder)->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery).ok();
    EXPECT_NE(embedder.status().message().find(path.filename().string()), std::string::npos)
        << embedder.status().ToString();
    return true;
  };
  EXPECT_TRUE(fails(""));
  EXPECT_TRUE(fails("GGUF"));
  EXPECT_TRUE(fails("no model at all, only text"));
  for (const size_t size : {size_t{100}, size_t{1000}, size_t{100000}, whole.size() / 2, whole.size() - 4096}) {
    EXPECT_TRUE(fails(std::string_view(whole).substr(0, size))) << size;
  }
  for (const char* key :
       {"llama.embedding_length", "llama.block_count", "llama.attention.head_count", "llama.context_length"}) {
    std::string changed = whole;
    const size_t at = changed.find(key);
    ASSERT_NE(at, std::string::npos) << key;
    changed.replace(at + std::string_view(key).size() + 4, 4, 4, '\0');  // Its value, behind the type.
    EXPECT_TRUE(fails(changed)) << key;
  }
  fs::remove(path);
  EXPECT_EQ(OpenLlamaEmbedder(options).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace ragtime
