// SPDX-License-Identifier: Apache-2.0
//
// Goal: models come into the folder whole and checked, smaller ones are made of them, and a comparison tells the better
// from the worse. Method: the default language model, really quantized and really run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"
#include "ragtime/models.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              StrCat("ragtime_models_", ::getpid(), "_", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    config_.models_path = folder_ / "models";
    config_.threads = 1;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static fs::path Weights() { return fs::path(RAGTIME_TEST_MODELS) / "smollm2-135m-instruct" / "model.gguf"; }
  size_t EntriesInModels() const {
    return fs::exists(config_.models_path)
               ? static_cast<size_t>(std::distance(fs::directory_iterator(config_.models_path), {}))
               : 0;
  }

  fs::path folder_;
  Config config_;
};

TEST_F(ModelFolderTest, AddsChecksAndShows) {
  const auto added = AddModel(config_, {.source = Weights(), .name = "small", .link = true});
  ASSERT_TRUE(added.ok()) << added.status().ToString();
  EXPECT_EQ(added->architecture, "llama");
  EXPECT_EQ(added->type, "Q8_0");
  EXPECT_EQ(added->context_tokens, 8192u);
  EXPECT_EQ(added->sha256.size(), 64u);
  EXPECT_TRUE(fs::is_symlink(config_.models_path / "small" / "model.gguf"));
  const auto shown = ShowModel(config_, "small");
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  EXPECT_EQ(shown->sha256, added->sha256);
  EXPECT_EQ(shown->kind, "generator");

  EXPECT_EQ(AddModel(config_, {.source = Weights(), .name = "small"}).status().code(), StatusCode::kAlreadyExists);
  const auto wrong = AddModel(config_, {.source = Weights(), .name = "other", .sha256 = std::string(64, '0')});
  EXPECT_EQ(wrong.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(wrong.status().message().find(added->sha256), std::string::npos);
  EXPECT_EQ(AddModel(config_, {.source = Weights(), .name = "../out"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AddModel(config_, {.source = folder_ / "none.gguf"}).status().code(), StatusCode::kNotFound);
  std::ofstream(folder_ / "broken.gguf") << "GGUF and nothing behind";
  EXPECT_EQ(AddModel(config_, {.source = folder_ / "broken.gguf"}).status().code(), StatusCode::kDataLoss);
  const auto embedder =
      AddModel(config_, {.source = fs::path(RAGTIME_TEST_MODELS) / "all-minilm-l6-v2" / "encoder.gguf"});
  EXPECT_EQ(embedder.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(EntriesInModels(), 1u) << "something half made was left";

  // Another file in its place is found out.
  fs::remove(config_.models_path / "small" / "model.gguf");
  fs::create_symlink(fs::path(RAGTIME_TEST_MODELS) / "all-minilm-l6-v2" / "encoder.gguf",
                     config_.models_path / "small" / "model.gguf");
  EXPECT_EQ(ShowModel(config_, "small").status().code(), StatusCode::kDataLoss);
}

TEST_F(ModelFolderTest, OfTwoThatMakeTheSameNameOneIsThere) {
  std::atomic<int> made = 0;
  std::vector<std::jthread> threads;
  for (int n = 0; n < 3; ++n) {
    threads.emplace_back([&] {
      if (AddModel(config_, {.source = Weights(), .name = "small", .link = true}).ok()) ++made;
    });
  }
  threads.clear();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(EntriesInModels(), 1u) << "something half made was left";
  EXPECT_TRUE(ShowModel(config_, "small").ok());
}

TEST_F(ModelFolderTest, AddsAFolderWithItsDescription) {
  const auto added = AddModel(config_, {.source = Weights().parent_path(), .link = true});
  ASSERT_TRUE(added.ok()) << added.status().ToString();
  EXPECT_EQ(added->name, "smollm2-135m-instruct");
  const auto text = ReadFile(config_.models_path / added->name / "model.json");
  ASSERT_TRUE(text.ok());
  EXPECT_NE(text->find("\"cites\": false"), std::string::npos) << *text;
  const auto listed = ListModels(config_);
  ASSERT_FALSE(listed.empty());
  EXPECT_TRUE(std::any_of(listed.begin(), listed.end(),
                          [&](const ModelRecord& model) { return model.path == config_.models_path / added->name; }));
}

TEST_F(ModelFolderTest, QuantizesAndTellsTheBetterFromTheWorse) {
  ASSERT_TRUE(AddModel(config_, {.source = Weights().parent_path(), .name = "small", .link = true}).ok());
  EXPECT_EQ(QuantizeModel(config_, "small", "Q9_9").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(EntriesInModels(), 1u);
  const auto q6 = QuantizeModel(config_, "small", "Q6_K");
  ASSERT_TRUE(q6.ok()) << q6.status().ToString();
  EXPECT_EQ(q6->to.name, "small-q6_k");
  EXPECT_EQ(q6->to.type, "Q6_K");
  EXPECT_TRUE(q6->requantized);
  EXPECT_LT(q6->to.size_bytes, q6->from.size_bytes);
  const auto q4 = QuantizeModel(config_, "small", "Q4_0", "tiny");
  ASSERT_TRUE(q4.ok()) << q4.status().ToString();
  EXPECT_LT(q4->to.size_bytes, q6->to.size_bytes);

  // Importance makes it another one of about the same size (llama.cpp then takes larger types for a few matrices); that
  // it is a better one is for a benchmark to say.
  const auto readme = ReadFile(fs::path(RAGTIME_SOURCE_DIR) / "README.md");
  ASSERT_TRUE(readme.ok());
  const auto weighed = QuantizeModel(config_, "small", "Q4_0", "weighed", {.text = *readme, .tokens_max = 1100});
  ASSERT_TRUE(weighed.ok()) << weighed.status().ToString();
  EXPECT_EQ(weighed->importance_tokens, 1024u);
  EXPECT_LT(weighed->to.size_bytes, q4->to.size_bytes + q4->to.size_bytes / 100);
  EXPECT_NE(weighed->to.sha256, q4->to.sha256);
  EXPECT_EQ(QuantizeModel(config_, "small", "Q4_0", "brief", {.text = "too short"}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(QuantizeModel(config_, "small", "BF16", "alike", {.text = *readme}).status().code(),
            StatusCode::kInvalidArgument);

  std::string text;
  for (const char* name : {"README.md", "CONTRIBUTING.md"}) {
    text += *ReadFile(fs::path(RAGTIME_SOURCE_DIR) / name);
  }
  const auto compared = CompareModels(config_, {"small", "small-q6_k", "tiny"}, text, 512);
  ASSERT_TRUE(compared.ok()) << compared.status().ToString();
  const ModelComparison& original = (*compared)[0];
  EXPECT_EQ(original.text_tokens, 256u);
  EXPECT_GT(original.perplexity, 1.5);
  EXPECT_LT(original.perplexity, 500);
  EXPECT_EQ(original.kl_mean, 0);
  EXPECT_EQ(original.agreement, 1);
  for (const ModelComparison& row : *compared) {
    EXPECT_GT(row.prefill_tokens_per_s, 0) << row.model.name;
    EXPECT_GT(row.decode_tokens_per_s, 0) << row.model.name;
    EXPECT_GT(row.memory_bytes, 10u << 20) << row.model.name;
  }
  EXPECT_GT((*compared)[1].kl_mean, 0);
  EXPECT_LT((*compared)[1].kl_mean, (*compared)[2].kl_mean);
  EXPECT_GT((*compared)[2].agreement, 0.5);
  EXPECT_LT((*compared)[2].agreement, 1);
  EXPECT_LT((*compared)[2].kl_mean, 1);
  EXPECT_EQ(CompareModels(config_, {"small"}, "too short", 512).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ragtime
