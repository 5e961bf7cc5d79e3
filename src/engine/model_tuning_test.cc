// SPDX-License-Identifier: Apache-2.0
//
// Goal: what was measured of a model is found again, and never for another file, nor where the record is damaged.
#include "engine/model_tuning.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace ragtime {
namespace {

namespace fs = std::filesystem;

class ModelTuningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ragtime_tuning_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ::setenv("RAGTIME_CACHE", (folder_ / "cache").c_str(), 1);
    fs::create_directories(folder_ / "model");
    std::ofstream(folder_ / "model" / "model.json") << R"({"kind":"generator","gguf":"model.gguf"})";
    std::ofstream(folder_ / "model" / "model.gguf") << "weights";
    std::ofstream(folder_ / "model" / "another.gguf") << "not what the model computes with";
  }
  void TearDown() override {
    ::unsetenv("RAGTIME_CACHE");
    fs::remove_all(folder_);
  }

  fs::path folder_;
};

TEST_F(ModelTuningTest, IsFoundAgainForTheSameFileAlone) {
  const fs::path model = folder_ / "model";
  EXPECT_FALSE(FindTuning(model));
  const auto record = KeepTuning(model, {.threads = 3, .read_threads = 4, .batch_tokens = 256});
  ASSERT_TRUE(record.ok()) << record.status().ToString();
  EXPECT_TRUE(fs::exists(*record));
  for (const fs::path& named : {model, model / "model.gguf"}) {
    const auto found = FindTuning(named);
    ASSERT_TRUE(found) << named;
    EXPECT_EQ(found->threads, 3u);
    EXPECT_EQ(found->read_threads, 4u);
    EXPECT_EQ(found->batch_tokens, 256u);
  }
  EXPECT_FALSE(FindTuning(model / "another.gguf"));
  EXPECT_FALSE(FindTuning(folder_ / "missing.gguf"));
  std::ofstream(model / "model.gguf") << "other weights";
  EXPECT_FALSE(FindTuning(model));
}

TEST_F(ModelTuningTest, ADamagedRecordIsNone) {
  const fs::path model = folder_ / "model";
  const auto record = KeepTuning(model, {.threads = 1, .read_threads = 1, .batch_tokens = 512});
  ASSERT_TRUE(record.ok()) << record.status().ToString();
  for (const char* text : {"", "{", "{}", R"({"threads":0,"read_threads":1,"batch_tokens":512})",
                           R"({"threads":1,"read_threads":99999,"batch_tokens":512})",
                           R"({"threads":1,"read_threads":1,"batch_tokens":1})"}) {
    std::ofstream(*record) << text;
    EXPECT_FALSE(FindTuning(model)) << text;
  }
}

}  // namespace
}  // namespace ragtime
