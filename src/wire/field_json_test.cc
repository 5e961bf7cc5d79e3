// SPDX-License-Identifier: Apache-2.0
//
// Goal: fields come back from what is kept exactly as they were, and what users write is taken or refused by name.
#include "wire/field_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ragtime {
namespace {

TEST(FieldJson, WhatIsKeptComesBackWithItsType) {
  const Fields fields = {{"a", int64_t{2020}},
                         {"b", 1.0},
                         {"c", -0.1},
                         {"d", true},
                         {"e", std::string("作者 \"Li\"\n")},
                         {"f", Datetime{1704067200001}},
                         {"g", std::vector<std::string>{"x", ""}},
                         {"h", std::vector<std::string>{}},
                         {"i", std::numeric_limits<int64_t>::min()},
                         {"j", HUGE_VAL},
                         {"k", -HUGE_VAL},
                         {"l", 1e300},
                         {"m", std::string()}};
  const auto back = DecodeFields(EncodeFields(fields));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(*back, fields);
  EXPECT_EQ(EncodeFields({}), "");
  EXPECT_TRUE(DecodeFields("")->empty());
  EXPECT_EQ(DecodeFields("{\"a\"").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(DecodeFields("{\"a\":{}}").status().code(), StatusCode::kDataLoss);
}

TEST(FieldJson, DeclarationsComeBack) {
  const std::vector<FieldSpec> specs = {{"year", FieldType::kInt, FieldIndex::kBtree},
                                        {"标签", FieldType::kStringList, FieldIndex::kBitmap}};
  EXPECT_EQ(*DecodeFieldSpecs(EncodeFieldSpecs(specs)), specs);
  EXPECT_EQ(DecodeFieldSpecs("[{\"name\":\"a\",\"type\":\"complex\",\"index\":\"btree\"}]").status().code(),
            StatusCode::kDataLoss);
}

TEST(FieldJson, TakesWhatPeopleWrite) {
  const auto read = [](FieldType type, const char* json) {
    return FieldValueFromJson({"f", type, FieldIndex::kNone}, *Json::Parse(json));
  };
  EXPECT_EQ(*read(FieldType::kInt, "2020"), FieldValue(int64_t{2020}));
  EXPECT_EQ(*read(FieldType::kInt, "\"2020\""), FieldValue(int64_t{2020}));
  EXPECT_EQ(*read(FieldType::kFloat, "2"), FieldValue(2.0));
  EXPECT_EQ(*read(FieldType::kString, "2020"), FieldValue(std::string("2020")));
  EXPECT_EQ(*read(FieldType::kDatetime, "\"2024-01-01\""), FieldValue(Datetime{1704067200000}));
  EXPECT_EQ(*read(FieldType::kStringList, "\"a, b\""), FieldValue(std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*read(FieldType::kStringList, "[\"a\", 1]"), FieldValue(std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(*read(FieldType::kBool, "true"), FieldValue(true));
  EXPECT_EQ(*read(FieldType::kInt, "null"), FieldValue());
  for (const auto& [type, json] : {std::pair{FieldType::kInt, "\"x\""},
                                   {FieldType::kInt, "1.5"},
                                   {FieldType::kString, "[1]"},
                                   {FieldType::kStringList, "[[1]]"},
                                   {FieldType::kDatetime, "\"soon\""}}) {
    const auto refused = read(type, json);
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << json;
    EXPECT_NE(refused.status().message().find("the field f"), std::string::npos);
  }
}

}  // namespace
}  // namespace ragtime
