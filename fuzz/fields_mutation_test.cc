// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzer of fields checks also holds on mutated text in every test run.
// Method: as index_mutation_test.cc.
#include <gtest/gtest.h>

#include "fields_targets.h"
#include "mutate.h"

namespace ragtime {
namespace {

Bytes BytesOf(std::string_view text) {
  const auto* const data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(FieldsMutation, FrontMatter) {
  EXPECT_EQ(UseAsFrontMatter(kFrontMatterSeed), 6u);
  const auto use = [](std::span<const std::byte> bytes) { return UseAsFrontMatter(TextOf(bytes)) > 0; };
  EXPECT_GT(UseMutations(BytesOf(kFrontMatterSeed), 10000, use), 1000);
}

TEST(FieldsMutation, Sidecar) {
  EXPECT_EQ(UseAsSidecar(kSidecarSeed), 6u);
  const auto use = [](std::span<const std::byte> bytes) { return UseAsSidecar(TextOf(bytes)) > 0; };
  EXPECT_GT(UseMutations(BytesOf(kSidecarSeed), 10000, use), 500);
}

}  // namespace
}  // namespace ragtime
