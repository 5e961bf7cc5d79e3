// SPDX-License-Identifier: Apache-2.0
//
// FolderTest is an empty folder for files that are ingested, and the readers for them.
#ifndef RAGTIME_INGEST_FOLDER_FIXTURE_H_
#define RAGTIME_INGEST_FOLDER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ingest/read/readers.h"

namespace ragtime {

class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ragtime-ingest-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
    std::filesystem::permissions(root_, std::filesystem::perms::all);
    owned_ = BuiltinReaders();
    for (const auto& reader : owned_) readers_.push_back(reader.get());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& name, const std::string& text = "text") {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }

  std::filesystem::path root_;
  std::vector<std::unique_ptr<Reader>> owned_;
  std::vector<const Reader*> readers_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_FOLDER_FIXTURE_H_
