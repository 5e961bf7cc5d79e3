// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzer of requests checks also holds on mutated bodies in every test run, without a fuzzing compiler.
#include <gtest/gtest.h>

#include "mutate.h"
#include "request_targets.h"

namespace ragtime {
namespace {

int Mutate(std::string_view seed, bool (*use)(std::string_view)) {
  const auto as_bytes = std::as_bytes(std::span(seed));
  return UseMutations(Bytes(as_bytes.begin(), as_bytes.end()), 20000, [use](std::span<const std::byte> bytes) {
    return use({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}

TEST(RequestMutation, Chat) {
  ASSERT_TRUE(UseAsChatRequest(kChatSeed));
  EXPECT_GT(Mutate(kChatSeed, UseAsChatRequest), 100);
}

TEST(RequestMutation, Search) {
  ASSERT_TRUE(UseAsSearchRequest(kSearchSeed));
  EXPECT_GT(Mutate(kSearchSeed, UseAsSearchRequest), 100);
}

}  // namespace
}  // namespace ragtime
