// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzer of Chroma's answers checks also holds on mutated answers in every test run; and answers that
// are JSON, but not what was asked for, are refused with what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "chroma_answer_targets.h"
#include "mutate.h"
#include "store/chroma/chroma_rows.h"

namespace ragtime {
namespace {

using testing::HasSubstr;

int Mutate(std::string_view seed, int rounds) {
  const auto as_bytes = std::as_bytes(std::span(seed));
  return UseMutations(Bytes(as_bytes.begin(), as_bytes.end()), rounds, [](std::span<const std::byte> bytes) {
    return UseAsChromaAnswer({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  });
}

TEST(ChromaAnswerMutation, Rows) {
  ASSERT_TRUE(UseAsChromaAnswer(kChromaRowsSeed));
  EXPECT_GT(Mutate(kChromaRowsSeed, 50000), 1000);
}

TEST(ChromaAnswerMutation, Hits) {
  ASSERT_TRUE(UseAsChromaAnswer(kChromaHitsSeed));
  EXPECT_GT(Mutate(kChromaHitsSeed, 50000), 1000);
}

std::string Refusal(std::string_view rows) {
  const CollectionSpec spec = {.name = "c", .dimension = 3, .columns = {{"year", FieldType::kInt}}};
  return ChromaRowsOf(spec, *Json::Parse(rows), true).status().ToString();
}

TEST(ChromaAnswer, RowsOfAnotherShapeAreRefused) {
  EXPECT_EQ(Refusal(R"({"ids":["1"],"embeddings":[[1,2,3]],"metadatas":[{"year":2020}]})"), "ok");
  EXPECT_THAT(Refusal(R"({"ids":["1"],"embeddings":[[1,2]],"metadatas":[{}]})"), HasSubstr("dimension 2, not 3"));
  EXPECT_THAT(Refusal(R"({"ids":["1"],"embeddings":[null],"metadatas":[{}]})"), HasSubstr("dimension 0, not 3"));
  EXPECT_THAT(Refusal(R"({"ids":["1"],"embeddings":[[1,"2",3]],"metadatas":[{}]})"), HasSubstr("is no number"));
  EXPECT_THAT(Refusal(R"({"ids":["1"],"embeddings":[[1,2,1e300]],"metadatas":[{}]})"), HasSubstr("is no number"));
  EXPECT_THAT(Refusal(R"({"ids":["1"],"embeddings":[[1,2,3]],"metadatas":[{"year":"x"}]})"), HasSubstr("column year"));
  EXPECT_THAT(Refusal(R"({"ids":["-1"],"embeddings":[[1,2,3]],"metadatas":[{}]})"), HasSubstr("without id"));
  EXPECT_THAT(Refusal(R"({"error":"busy"})"), HasSubstr("no ids"));
}

TEST(ChromaAnswer, WhatIsNoCountIsNotZero) {
  EXPECT_EQ(*ChromaCountOf(Json(uint64_t{12})), 12u);
  for (const char* text : {"-1", "null", "{}", "\"7\"", "1.5"}) {
    EXPECT_EQ(ChromaCountOf(*Json::Parse(text)).status().code(), StatusCode::kUnavailable) << text;
  }
}

TEST(ChromaAnswer, HitsComeBestFirst) {
  const auto hits = ChromaHitsOf({.name = "c", .dimension = 3}, *Json::Parse(kChromaHitsSeed));
  ASSERT_TRUE(hits.ok());
  std::vector<int64_t> ids;
  for (const CollectionHit& hit : *hits) ids.push_back(hit.id);
  EXPECT_EQ(ids, (std::vector<int64_t>{8, 9, 1, 3, 4}));
  const auto torn = ChromaHitsOf({}, *Json::Parse(R"({"ids":[["1","2"]],"distances":[[1]]})"));
  EXPECT_THAT(torn.status().ToString(), HasSubstr("2 ids and 1 distances"));
}

}  // namespace
}  // namespace ragtime
