// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzer of files of Milvus Lite checks also holds on mutated rows and schemas in every test run.
#include <gtest/gtest.h>

#include <string_view>

#include "milvus_lite_targets.h"
#include "mutate.h"

namespace ragtime {
namespace {

using std::literals::operator""sv;

TEST(MilvusLiteMutation, SchemaAndRow) {
  ASSERT_TRUE(UseAsMilvusLite(MilvusLiteSeed()));
  EXPECT_GT(UseMutations(MilvusLiteSeed(), 2000, UseAsMilvusLite), 100);
}

// A FieldData "v" of one float and of dimension -5, which was taken for a size.
TEST(MilvusLiteMutation, AVectorOfNegativeDimensionIsRefused) {
  constexpr std::string_view kRow =
      "\x0a\x1a\x08\x65\x12\x01v\x22\x13\x08\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x06\x0a\x04\x00\x00\x00?"sv;
  Bytes bytes = MilvusLiteSeed();
  bytes.resize(1 + std::to_integer<size_t>(bytes[0]));
  for (const char c : kRow) bytes.push_back(static_cast<std::byte>(c));
  EXPECT_FALSE(UseAsMilvusLite(bytes));
}

}  // namespace
}  // namespace ragtime
