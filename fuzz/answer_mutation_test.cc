// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzers of schemas and of embedding answers check also holds on mutated text in every test run.
#include <gtest/gtest.h>

#include <string>

#include "answer_targets.h"
#include "mutate.h"

namespace ragtime {
namespace {

int Mutate(std::string_view seed, bool (*use)(std::string_view)) {
  const auto as_bytes = std::as_bytes(std::span(seed));
  return UseMutations(Bytes(as_bytes.begin(), as_bytes.end()), 5000, [use](std::span<const std::byte> bytes) {
    return use({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}

TEST(AnswerMutation, Schema) {
  ASSERT_TRUE(UseAsSchema(kSchemaSeed));
  EXPECT_GT(Mutate(kSchemaSeed, UseAsSchema), 100);
}

TEST(AnswerMutation, Embeddings) {
  ASSERT_TRUE(UseAsEmbeddings(
      R"({"data":[{"index":1,"embedding":[0.5,-1e-3,2]},{"index":0,"embedding":"AACAPwAAAEA="},{"embedding":[1e-45]}]})"));
  EXPECT_GT(Mutate(kEmbeddingsSeed, UseAsEmbeddings), 100);
}

}  // namespace
}  // namespace ragtime
