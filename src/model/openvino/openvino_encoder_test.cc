// SPDX-License-Identifier: Apache-2.0
//
// Goal: OpenVINO gives multilingual-e5-small's vectors in each precision, and what goes wrong in it is a Status.
// Method: the golden vectors; texts alone against texts together; damaged graphs.
#include "model/openvino/openvino_encoder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "model/golden_check.h"
#include "model/input_table.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const InputTable> Input() {
  auto file = GgufFile::Open(golden::kModelFolder + "/encoder.gguf");
  EXPECT_TRUE(file.ok()) << file.status().ToString();
  if (!file.ok()) return nullptr;
  auto table = MakeInputTable(std::make_shared<const GgufFile>(*std::move(file)));
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return table.ok() ? *table : nullptr;
}

// Compiled graphs are kept in the build folder: compiling takes seconds each time.
OpenVinoEncoderOptions Options(const std::string& precision) {
  OpenVinoEncoderOptions options;
  options.graph = golden::kModelFolder + "/encoder.xml";
  options.input = Input();
  options.cache_folder = fs::path(RAGTIME_BINARY_DIR) / "openvino_cache";
  options.precision = precision;
  options.threads = 2;
  return options;
}

std::shared_ptr<Encoder> OpenGolden(const std::string& precision) {
  auto encoder = OpenOpenVinoEncoder(Options(precision));
  EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
  return encoder.ok() ? std::shared_ptr<Encoder>(*std::move(encoder)) : nullptr;
}

TEST(OpenVinoEncoderTest, GivesTheGoldenVectorsInF32) {
  const auto encoder = OpenGolden("f32");
  ASSERT_NE(encoder, nullptr);
  golden::ExpectGoldenVectors(golden::OverEncoder(encoder), 0.99f);
}

TEST(OpenVinoEncoderTest, GivesTheGoldenVectorsInTheProcessorsOwnPrecision) {
  const auto encoder = OpenGolden("auto");
  ASSERT_NE(encoder, nullptr);
  golden::ExpectGoldenVectors(golden::OverEncoder(encoder), 0.99f);
}

TEST(OpenVinoEncoderTest, GivesTheGoldenVectorsInInt8) {
  const auto encoder = OpenGolden("int8");
  ASSERT_NE(encoder, nullptr);
  golden::ExpectGoldenVectors(golden::OverEncoder(encoder), 0.99f);
}

TEST(OpenVinoEncoderTest, CompanyDoesNotMatter) {
  const auto encoder = OpenGolden("f32");
  ASSERT_NE(encoder, nullptr);
  golden::ExpectCompanyDoesNotMatter(golden::OverEncoder(encoder), 0.9999f, 20);
}

TEST(OpenVinoEncoderTest, TwoCallersGetTheirOwnVectors) {
  const auto encoder = OpenGolden("f32");
  ASSERT_NE(encoder, nullptr);
  const auto embed = golden::OverEncoder(encoder);
  const auto repeat = [&](size_t item) {
    for (int i = 0; i < 5; ++i) {
      const auto vectors = embed({golden::Items()[item].text}, TextKind::kQuery);
      ASSERT_TRUE(vectors.ok());
      EXPECT_GE(golden::Cosine(vectors->data(), golden::Items()[item].query.data()), 0.99f);
    }
  };
  std::jthread other([&] { repeat(7); });
  repeat(3);
}

TEST(OpenVinoEncoderTest, RefusesWhatTheModelHasNot) {
  const auto encoder = OpenGolden("f32");
  ASSERT_NE(encoder, nullptr);
  std::vector<float> out(golden::kDimension);
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{}, std::vector<int32_t>(513, 5), std::vector<int32_t>{0, -1, 2}}) {
    EXPECT_EQ(encoder->Encode({}, std::vector<std::vector<int32_t>>{ids}, out.data()).code(),
              StatusCode::kInvalidArgument);
  }
}

TEST(OpenVinoEncoderTest, ADamagedOrMissingGraphIsAnError) {
  OpenVinoEncoderOptions options = Options("f32");
  options.cache_folder.clear();
  options.graph = "/nonexistent/encoder.xml";
  EXPECT_EQ(OpenOpenVinoEncoder(options).status().code(), StatusCode::kNotFound);

  const fs::path folder = fs::path(testing::TempDir()) / "openvino_damaged";
  fs::create_directories(folder);
  options.graph = folder / "encoder.xml";
  for (const char* text :
       {"", "not xml at all", "<?xml version=\"1.0\"?><net name=\"x\" version=\"11\"><layers/></net>"}) {
    std::ofstream(options.graph, std::ios::trunc) << text;
    const auto encoder = OpenOpenVinoEncoder(options);
    ASSERT_FALSE(encoder.ok());
    EXPECT_EQ(encoder.status().code(), StatusCode::kDataLoss) << encoder.status().ToString();
  }
  // The right graph without its weights.
  fs::copy_file(golden::kModelFolder + "/encoder.xml", options.graph, fs::copy_options::overwrite_existing);
  EXPECT_FALSE(OpenOpenVinoEncoder(options).ok());
  fs::remove_all(folder);
}

TEST(OpenVinoEncoderTest, AnUnknownPrecisionIsAnError) {
  EXPECT_EQ(OpenOpenVinoEncoder(Options("f8")).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ragtime
