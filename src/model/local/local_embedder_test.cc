// SPDX-License-Identifier: Apache-2.0
//
// Goal: a model folder gives the golden vectors; the right encoder is taken; a part that is missing or damaged is
// named. Method: the model folder itself; batch encoders made up here; copies of model.json with one thing changed.
#include "model/local/local_embedder.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "model/golden_check.h"
#include "model/local/bert_encoder.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// Stands for OpenVINO: the same vectors, and it counts.
class CountingEncoder final : public Encoder {
 public:
  CountingEncoder(std::unique_ptr<Encoder> inner, std::shared_ptr<int> calls)
      : inner_(std::move(inner)), calls_(std::move(calls)) {}
  const EncoderInfo& info() const override { return inner_->info(); }
  Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) override {
    ++*calls_;
    return inner_->Encode(context, sequences, out);
  }

 private:
  std::unique_ptr<Encoder> inner_;
  std::shared_ptr<int> calls_;
};

BatchEncoderFactory Counting(std::shared_ptr<int> calls) {
  return [calls](const fs::path& graph, std::shared_ptr<const InputTable> input) -> Result<std::unique_ptr<Encoder>> {
    EXPECT_EQ(graph.filename(), "encoder.xml");
    EXPECT_EQ(input->dimension(), golden::kDimension);
    RAGTIME_ASSIGN_OR_RETURN(auto model, BertModel::Open(golden::kModelFolder + "/encoder.gguf"));
    RAGTIME_ASSIGN_OR_RETURN(auto inner, MakeBertEncoder(model));
    return std::unique_ptr<Encoder>(std::make_unique<CountingEncoder>(std::move(inner), calls));
  };
}

BatchEncoderFactory Failing() {
  return [](const fs::path&, std::shared_ptr<const InputTable>) -> Result<std::unique_ptr<Encoder>> {
    return UnavailableError("OpenVINO cannot be loaded");
  };
}

std::unique_ptr<LocalEmbedder> OpenFolder(EncoderChoice choice, BatchEncoderFactory batch) {
  auto embedder = LocalEmbedder::Open({golden::kModelFolder, choice, 2}, std::move(batch));
  EXPECT_TRUE(embedder.ok()) << embedder.status().ToString();
  return embedder.ok() ? *std::move(embedder) : nullptr;
}

TEST(LocalEmbedderTest, GivesTheGoldenVectors) {
  const auto embedder = OpenFolder(EncoderChoice::kAuto, nullptr);
  ASSERT_NE(embedder, nullptr);
  EXPECT_EQ(embedder->info().model, "multilingual-e5-small");
  EXPECT_EQ(embedder->info().dimension, 384u);
  EXPECT_EQ(embedder->info().max_tokens, 512u);
  EXPECT_FALSE(embedder->info().fingerprint.empty());
  EXPECT_TRUE(embedder->Engines().empty());  // Nothing is opened before it is needed.
  golden::ExpectGoldenVectors(golden::OverEmbedder(*embedder), 0.99f);
  EXPECT_EQ(embedder->Engines().size(), 1u);
  for (const auto& item : golden::Items()) EXPECT_EQ(embedder->CountTokens(item.text), item.tokens.size());
}

TEST(LocalEmbedderTest, EveryPartOfALongTextCounts) {
  const auto embedder = OpenFolder(EncoderChoice::kSmall, nullptr);
  ASSERT_NE(embedder, nullptr);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "The pump is cleaned every month. ";
  const std::vector<std::string> texts = {text + "The valve.", text + "一只猫坐在窗台上看着外面的雨,它想出去。", text};
  const auto vectors = embedder->Embed({}, texts, TextKind::kPassage);
  ASSERT_TRUE(vectors.ok());
  EXPECT_GT(golden::Cosine(vectors->data(), vectors->data() + 2 * 384), 0.99f);
  EXPECT_LT(golden::Cosine(vectors->data() + 384, vectors->data() + 2 * 384), 0.999999f);
}

TEST(LocalEmbedderTest, BatchChoiceTakesTheBatchEncoder) {
  const auto calls = std::make_shared<int>(0);
  const auto embedder = OpenFolder(EncoderChoice::kBatch, Counting(calls));
  ASSERT_NE(embedder, nullptr);
  ASSERT_TRUE(embedder->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery).ok());
  EXPECT_EQ(*calls, 1);
  const auto small = OpenFolder(EncoderChoice::kSmall, Counting(calls));
  ASSERT_TRUE(small->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery).ok());
  EXPECT_EQ(*calls, 1);
}

TEST(LocalEmbedderTest, AQuestionIsEmbeddedOnceAndAPassageEachTime) {
  const auto calls = std::make_shared<int>(0);
  const auto embedder = OpenFolder(EncoderChoice::kBatch, Counting(calls));
  ASSERT_NE(embedder, nullptr);
  const std::vector<std::string> text = {"how is the pump cleaned?"};
  const auto first = embedder->Embed({}, text, TextKind::kQuery);
  const auto again = embedder->Embed({}, text, TextKind::kQuery);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(*calls, 1);
  // A passage begins with other words, and has another vector.
  const auto passage = embedder->Embed({}, text, TextKind::kPassage);
  ASSERT_TRUE(passage.ok());
  EXPECT_NE(*first, *passage);
  EXPECT_EQ(*calls, 2);
  Context ended;
  ended.deadline = std::chrono::steady_clock::now();
  EXPECT_EQ(embedder->Embed(ended, text, TextKind::kQuery).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(LocalEmbedderTest, AShortQueryNeverWaitsForTheBatchEncoder) {
  const auto calls = std::make_shared<int>(0);
  const auto embedder = OpenFolder(EncoderChoice::kAuto, Counting(calls));
  ASSERT_TRUE(embedder->Embed({}, std::vector<std::string>{"how is the pump cleaned?"}, TextKind::kQuery).ok());
  EXPECT_EQ(*calls, 0);
}

TEST(LocalEmbedderTest, WithoutTheBatchEncoderAutoGoesOnAndSaysSo) {
  const auto embedder = OpenFolder(EncoderChoice::kAuto, Failing());
  const std::vector<std::string> texts(12, std::string(2000, 'w'));
  ASSERT_TRUE(embedder->Embed({}, texts, TextKind::kPassage).ok());
  // Only where the batch encoder would have been faster is there anything to say.
  for (const auto& note : embedder->Notes()) EXPECT_NE(note.find("OpenVINO cannot be loaded"), std::string::npos);
  EXPECT_LE(embedder->Notes().size(), 1u);

  for (BatchEncoderFactory factory : {Failing(), BatchEncoderFactory()}) {
    const auto strict = OpenFolder(EncoderChoice::kBatch, factory);
    for (int i = 0; i < 2; ++i) {
      const auto vectors = strict->Embed({}, texts, TextKind::kPassage);
      ASSERT_FALSE(vectors.ok());
      EXPECT_EQ(vectors.status().code(), StatusCode::kUnavailable);
    }
  }
}

TEST(LocalEmbedderTest, TwoThreadsMayEmbedAtOnce) {
  const auto embedder = OpenFolder(EncoderChoice::kAuto, nullptr);
  const auto repeat = [&](size_t item) {
    for (int i = 0; i < 10; ++i) {
      const auto vectors = embedder->Embed({}, std::vector<std::string>{golden::Items()[item].text}, TextKind::kQuery);
      ASSERT_TRUE(vectors.ok());
      EXPECT_GE(golden::Cosine(vectors->data(), golden::Items()[item].query.data()), 0.99f);
    }
  };
  std::jthread other([&] { repeat(7); });
  repeat(3);
}

class ModelFolderTest : public testing::Test {
 protected:
  ModelFolderTest() {
    fs::create_directories(folder_);
    for (const char* name : {"tokenizer.bin", "encoder.gguf", "encoder.xml", "encoder.bin"}) {
      fs::create_symlink(fs::absolute(golden::kModelFolder) / name, folder_ / name);
    }
    json_ = *ReadFile(fs::path(golden::kModelFolder) / "model.json");
  }
  ~ModelFolderTest() override { fs::remove_all(folder_); }

  // model.json with `from` replaced.
  Status EmbedWith(const std::string& from, const std::string& to) {
    std::string json = json_;
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) json.replace(at, from.size(), to);
    std::ofstream(folder_ / "model.json", std::ios::trunc) << json;
    auto embedder = LocalEmbedder::Open({folder_, EncoderChoice::kSmall, 1}, nullptr);
    if (!embedder.ok()) return embedder.status();
    return (*embedder)->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery).status();
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) /
      (std::string("model_folder_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  std::string json_;
};

TEST_F(ModelFolderTest, EachWrongFieldIsAnErrorThatNamesIt) {
  EXPECT_TRUE(EmbedWith("\"mean\"", "\"mean\"").ok());
  const std::pair<std::string, std::string> changes[] = {
      {"\"schema\": 1", "\"schema\": 2"},
      {"\"embedder\"", "\"generator\""},
      {"\"mean\"", "\"cls\""},
      {"384", "0"},
      {"384", "383"},
      {"512", "1"},
      {"512", "513"},
      {"\"fingerprint\"", "\"print\""},
      {"\"encoder_gguf\"", "\"encoder\""},
      {"\"tokenizer\":", "\"tokens\":"},
      {"encoder.gguf", "encoder.xml"},
      {"{", "["},
  };
  for (const auto& [from, to] : changes) {
    const Status status = EmbedWith(from, to);
    EXPECT_FALSE(status.ok()) << from << " -> " << to;
    EXPECT_NE(status.message().find_first_not_of(' '), std::string::npos);
  }
  EXPECT_EQ(EmbedWith("encoder.gguf", "missing.gguf").code(), StatusCode::kNotFound);
  EXPECT_EQ(EmbedWith("tokenizer.bin", "missing.bin").code(), StatusCode::kNotFound);
}

TEST_F(ModelFolderTest, AMissingFolderSaysWhatToDo) {
  const auto embedder = LocalEmbedder::Open({folder_ / "none", EncoderChoice::kAuto, 1}, nullptr);
  ASSERT_FALSE(embedder.ok());
  EXPECT_EQ(embedder.status().code(), StatusCode::kNotFound);
  EXPECT_NE(embedder.status().remedy().find("tools/setup.sh"), std::string::npos);
}

}  // namespace
}  // namespace ragtime
