// SPDX-License-Identifier: Apache-2.0
//
// Goal: our own kernels give multilingual-e5-small's vectors, whatever the batch and the threads, and a damaged model
// file gives an error.
// Method: the golden vectors; texts alone against texts together; a tiny model written here, whose header is changed at
// random a thousand times.
#include "model/local/bert_encoder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "model/golden_check.h"

namespace ragtime {
namespace {

std::shared_ptr<Encoder> OpenGolden(BertEncoderOptions options = {}) {
  auto model = BertModel::Open(golden::kModelFolder + "/encoder.gguf");
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  if (!model.ok()) return nullptr;
  auto encoder = MakeBertEncoder(*model, options);
  EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
  return encoder.ok() ? std::shared_ptr<Encoder>(*std::move(encoder)) : nullptr;
}

// The portable kernels are some thirty times slower: they get the short texts at the front.
size_t TextsFor(std::string_view kernels) { return kernels == "portable" ? 8 : 50; }

TEST(BertEncoderTest, GivesTheGoldenVectorsWithEverySetOfKernels) {
  for (const BertKernels* kernels : SupportedBertKernels()) {
    SCOPED_TRACE(kernels->name);
    const auto encoder = OpenGolden({.threads = 2, .kernels = kernels->name});
    ASSERT_NE(encoder, nullptr);
    golden::ExpectGoldenVectors(golden::OverEncoder(encoder), 0.99f, TextsFor(kernels->name));
  }
}

TEST(BertEncoderTest, CompanyAndThreadsDoNotMatter) {
  for (const size_t threads : {1, 3}) {
    const auto encoder = OpenGolden({.threads = threads});
    ASSERT_NE(encoder, nullptr);
    golden::ExpectCompanyDoesNotMatter(golden::OverEncoder(encoder), 0.9999f, 25);
  }
}

TEST(BertEncoderTest, TwoCallersGetTheirOwnVectors) {
  const auto encoder = OpenGolden({.threads = 2});
  ASSERT_NE(encoder, nullptr);
  const auto embed = golden::OverEncoder(encoder);
  const std::vector<std::string> first = {golden::Items()[5].text};
  const std::vector<std::string> second = {golden::Items()[9].text, golden::Items()[6].text};
  const auto expected_first = *embed(first, TextKind::kQuery);
  const auto expected_second = *embed(second, TextKind::kQuery);
  const auto repeat = [&](const std::vector<std::string>& texts, const std::vector<float>& expected) {
    for (int i = 0; i < 20; ++i) {
      const auto vectors = embed(texts, TextKind::kQuery);
      ASSERT_TRUE(vectors.ok());
      EXPECT_EQ(*vectors, expected);
    }
  };
  std::jthread other([&] { repeat(second, expected_second); });
  repeat(first, expected_first);
}

TEST(BertEncoderTest, TheBackgroundTakesWhatIsLeftAndGivesTheSameVectors) {
  ThreadBudget budget(2);
  // Not owned by the encoder: the test looks into it.
  const auto encoder = OpenGolden({.threads = 2, .budget = {std::shared_ptr<void>(), &budget}});
  ASSERT_NE(encoder, nullptr);
  std::vector<std::vector<int32_t>> sequences;
  for (int32_t i = 0; i < 40; ++i) sequences.emplace_back(40, 10 + i);
  const auto encode = [&](const Context& context) {
    std::vector<float> out(sequences.size() * golden::kDimension);
    EXPECT_TRUE(encoder->Encode(context, sequences, out.data()).ok());
    return out;
  };
  const std::vector<float> expected = encode({});
  EXPECT_EQ(budget.statistics().questions_embedded, 1u);
  EXPECT_EQ(budget.statistics().background_pieces, 0u);
  const auto priority = [] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); };
  const int before = priority();
  EXPECT_EQ(encode(Context{.in_background = true}), expected);
  const uint64_t pieces = budget.statistics().background_pieces;
  EXPECT_GT(pieces, 2u);
  {
    const ThreadBudget::Share answers = budget.TakeForAnswers(2);
    EXPECT_EQ(encode(Context{.in_background = true}), expected);
  }
  const ThreadStatistics statistics = budget.statistics();
  EXPECT_EQ(statistics.background_pieces, 2 * pieces);
  EXPECT_EQ(statistics.background + statistics.questions, 0u);
  EXPECT_EQ(priority(), before);
  std::stop_source stop;
  stop.request_stop();
  std::vector<float> out(sequences.size() * golden::kDimension);
  EXPECT_EQ(encoder->Encode({.stop = stop.get_token(), .in_background = true}, sequences, out.data()).code(),
            StatusCode::kCancelled);
}

TEST(BertEncoderTest, RefusesWhatTheModelHasNot) {
  const auto encoder = OpenGolden();
  ASSERT_NE(encoder, nullptr);
  std::vector<float> out(golden::kDimension);
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{}, std::vector<int32_t>(513, 5), std::vector<int32_t>{0, -1, 2},
        std::vector<int32_t>{0, static_cast<int32_t>(encoder->info().vocabulary_size), 2}}) {
    EXPECT_EQ(encoder->Encode({}, std::vector<std::vector<int32_t>>{ids}, out.data()).code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(MakeBertEncoder(*BertModel::Open(golden::kModelFolder + "/encoder.gguf"), {.kernels = "abacus"}).ok());
}

TEST(BertEncoderTest, StopsWhenAsked) {
  const auto encoder = OpenGolden();
  ASSERT_NE(encoder, nullptr);
  std::stop_source stop;
  Context context;
  context.stop = stop.get_token();
  const std::vector<std::vector<int32_t>> much(200, std::vector<int32_t>(512, 7));
  std::vector<float> out(much.size() * golden::kDimension);
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  EXPECT_EQ(encoder->Encode(context, much, out.data()).code(), StatusCode::kCancelled);
  // And works again afterwards.
  EXPECT_TRUE(encoder->Encode({}, std::vector<std::vector<int32_t>>{{0, 7, 2}}, out.data()).ok());
}

// A BERT of one layer, 64 wide, with 7 words and 5 positions.
class TinyModel {
 public:
  TinyModel() {
    AddText("general.architecture", "bert");
    AddNumber("bert.embedding_length", 64);
    AddNumber("bert.feed_forward_length", 128);
    AddNumber("bert.block_count", 1);
    AddNumber("bert.attention.head_count", 2);
    AddNumber("bert.context_length", 5);
    AddTensor("token_embd.weight", 2, 64, 7);
    AddTensor("position_embd.weight", 0, 64, 5);
    AddTensor("token_types.weight", 0, 64, 2);
    for (const char* name : {"token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"}) {
      AddTensor(std::string(name) + ".weight", 0, 64, 1);
      AddTensor(std::string(name) + ".bias", 0, 64, 1);
    }
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) AddLinear(name, 64, 64);
    AddLinear("ffn_up", 64, 128);
    AddLinear("ffn_down", 128, 64);
    std::string bytes = "GGUF";
    Put<uint32_t>(bytes, 3);
    Put<uint64_t>(bytes, tensors_count_);
    Put<uint64_t>(bytes, settings_count_);
    bytes += settings_ + tensors_;
    header_bytes = bytes.size();
    bytes.resize((bytes.size() + 31) / 32 * 32);
    file = bytes + data_;
  }

  std::string file;
  size_t header_bytes = 0;

 private:
  template <typename T>
  static void Put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void PutString(std::string& out, std::string_view text) {
    Put<uint64_t>(out, text.size());
    out += text;
  }
  void AddText(std::string_view key, std::string_view value) {
    PutString(settings_, key);
    Put<uint32_t>(settings_, 8);
    PutString(settings_, value);
    ++settings_count_;
  }
  void AddNumber(std::string_view key, uint32_t value) {
    PutString(settings_, key);
    Put<uint32_t>(settings_, 4);
    Put(settings_, value);
    ++settings_count_;
  }
  void AddLinear(const std::string& name, uint64_t columns, uint64_t rows) {
    AddTensor("blk.0." + name + ".weight", 2, columns, rows);
    AddTensor("blk.0." + name + ".bias", 0, rows, 1);
  }
  void AddTensor(const std::string& name, uint32_t type, uint64_t columns, uint64_t rows) {
    PutString(tensors_, name);
    Put<uint32_t>(tensors_, 2);
    Put(tensors_, columns);
    Put(tensors_, rows);
    Put(tensors_, type);
    Put<uint64_t>(tensors_, data_.size());
    ++tensors_count_;
    if (type == 0) {
      for (uint64_t i = 0; i < columns * rows; ++i) Put(data_, 0.01f * static_cast<float>(random_() % 100));
    } else {
      for (uint64_t block = 0; block < columns * rows / 32; ++block) {
        Put<uint16_t>(data_, 0x2800);  // 2^-5
        for (int i = 0; i < 16; ++i) data_ += static_cast<char>(random_());
      }
    }
    data_.resize((data_.size() + 31) / 32 * 32);
  }

  std::mt19937 random_{5};
  std::string settings_, tensors_, data_;
  uint64_t settings_count_ = 0;
  uint64_t tensors_count_ = 0;
};

class TinyModelTest : public testing::Test {
 protected:
  ~TinyModelTest() override { std::filesystem::remove(path_); }

  // Whatever opens must encode without reading outside of the file.
  Status OpenAndEncode(std::string_view bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    RAGTIME_ASSIGN_OR_RETURN(auto model, BertModel::Open(path_));
    RAGTIME_ASSIGN_OR_RETURN(auto encoder, MakeBertEncoder(model, {.threads = 1}));
    std::vector<float> out(encoder->info().dimension);
    const auto last = static_cast<int32_t>(encoder->info().vocabulary_size - 1);
    const std::vector<int32_t> ids(std::min<size_t>(encoder->info().max_tokens, 64), last);
    return encoder->Encode({}, std::vector<std::vector<int32_t>>{ids}, out.data());
  }

  const TinyModel tiny_;
  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("tiny_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".gguf");
};

TEST_F(TinyModelTest, IsAValidModel) {
  EXPECT_TRUE(OpenAndEncode(tiny_.file).ok()) << OpenAndEncode(tiny_.file).ToString();
}

TEST_F(TinyModelTest, NoChangeOfTheHeaderBreaksAnything) {
  std::mt19937 random(17);
  size_t accepted = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string changed = tiny_.file;
    constexpr uint8_t kTelling[] = {0, 1, 2, 0x20, 0x40, 0x7f, 0x80, 0xff};
    changed[random() % tiny_.header_bytes] =
        static_cast<char>(random() % 2 != 0 ? random() : kTelling[random() % std::size(kTelling)]);
    const Status status = OpenAndEncode(changed);
    if (status.ok()) {
      ++accepted;
    } else {
      EXPECT_TRUE(status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kUnimplemented)
          << status.ToString();
      EXPECT_FALSE(status.message().empty());
    }
  }
  EXPECT_LT(accepted, 500u);
}

TEST_F(TinyModelTest, NoTruncationBreaksAnything) {
  for (size_t size = 0; size < tiny_.file.size(); size += 1 + size / 40) {
    EXPECT_FALSE(OpenAndEncode(std::string_view(tiny_.file).substr(0, size)).ok()) << size;
  }
}

TEST_F(TinyModelTest, RandomWeightsAreOnlyNumbers) {
  std::mt19937 random(23);
  std::string changed = tiny_.file;
  for (size_t i = tiny_.header_bytes + 32; i < changed.size(); ++i) changed[i] = static_cast<char>(random());
  EXPECT_TRUE(OpenAndEncode(changed).ok());
}

}  // namespace
}  // namespace ragtime
