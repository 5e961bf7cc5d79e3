// SPDX-License-Identifier: Apache-2.0
//
// Goal: values are read and written as include/ragtime/field.h says, moments by a second calendar (the C library's).
#include "ragtime/field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <limits>
#include <random>
#include <tuple>

#include "filter/datetime.h"
#include "filter/value_check.h"

namespace ragtime {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Field, NamesGoBothWays) {
  for (const FieldType type : {FieldType::kInt, FieldType::kFloat, FieldType::kBool, FieldType::kString,
                               FieldType::kDatetime, FieldType::kStringList}) {
    EXPECT_EQ(FieldTypeOf(FieldTypeName(type)), type);
  }
  for (const FieldIndex index :
       {FieldIndex::kNone, FieldIndex::kBtree, FieldIndex::kHash, FieldIndex::kSkiplist, FieldIndex::kBitmap}) {
    EXPECT_EQ(FieldIndexOf(FieldIndexName(index)), index);
  }
  EXPECT_EQ(FieldTypeOf("Int"), std::nullopt);
  EXPECT_EQ(FieldIndexOf(""), std::nullopt);
}

TEST(Field, TypesOfValues) {
  EXPECT_TRUE(HasType(FieldValue(), FieldType::kBool));
  EXPECT_TRUE(HasType(FieldValue(int64_t{1}), FieldType::kInt));
  EXPECT_FALSE(HasType(FieldValue(int64_t{1}), FieldType::kFloat));
  EXPECT_FALSE(HasType(FieldValue(int64_t{1}), FieldType::kDatetime));
  EXPECT_TRUE(HasType(FieldValue(Datetime{1}), FieldType::kDatetime));
  EXPECT_FALSE(HasType(FieldValue(std::string("a")), FieldType::kStringList));
}

TEST(Field, Texts) {
  EXPECT_EQ(ToString(FieldValue()), "null");
  EXPECT_EQ(ToString(FieldValue(int64_t{-5})), "-5");
  EXPECT_EQ(ToString(FieldValue(1.5)), "1.5");
  EXPECT_EQ(ToString(FieldValue(2.0)), "2.0");
  EXPECT_EQ(ToString(FieldValue(0.1)), "0.1");
  EXPECT_EQ(ToString(FieldValue(1e300)), "1e+300");
  EXPECT_EQ(ToString(FieldValue(kInfinity)), "inf");
  EXPECT_EQ(ToString(FieldValue(-kInfinity)), "-inf");
  EXPECT_EQ(ToString(FieldValue(true)), "true");
  EXPECT_EQ(ToString(FieldValue(std::string("a\"b\\\n\x01李"))), "\"a\\\"b\\\\\\n\\u0001李\"");
  EXPECT_EQ(ToString(FieldValue(Datetime{1704164645000})), "\"2024-01-02T03:04:05Z\"");
  EXPECT_EQ(ToString(FieldValue(std::vector<std::string>{"a", "b"})), "[\"a\", \"b\"]");
}

TEST(Field, Datetimes) {
  const std::vector<std::pair<std::string, int64_t>> cases = {
      {"1970-01-01", 0},
      {"2024-01-02", 1704153600000},
      {"2024-01-02T03:04", 1704164640000},
      {"2024-01-02 03:04:05", 1704164645000},
      {"2024-01-02T03:04:05Z", 1704164645000},
      {"2024-01-02T03:04:05.678Z", 1704164645678},
      {"2024-01-02T03:04:05.6", 1704164645600},
      {"2024-01-02T03:04:05.678999", 1704164645678},
      {"2024-01-02T11:04:05+08:00", 1704164645000},
      {"2024-01-02T11:04:05+0800", 1704164645000},
      {"2024-01-02 11:04:05 +0800", 1704164645000},
      {"2024-01-02 03:04:05 Z", 1704164645000},
      {"2024-01-01T22:34:05-04:30", 1704164645000},
      {"1969-12-31T23:59:59.999Z", -1},
      {"2024-02-29", 1709164800000},
      {"0000-01-01", -62167219200000},
  };
  for (const auto& [text, ms] : cases) {
    const auto moment = ParseDatetime(text);
    ASSERT_TRUE(moment.ok()) << text;
    EXPECT_EQ(moment->ms, ms) << text;
  }
  for (const char* text : {"",
                           "2024",
                           "2024-13-01",
                           "2024-00-01",
                           "2023-02-29",
                           "1900-02-29",
                           "2024-04-31",
                           "2024-01-02T",
                           "2024-01-02T24:00",
                           "2024-01-02T03:60",
                           "2024-01-02T03:04:60",
                           "2024-01-02T03:04:05.",
                           "2024-01-02T03:04:05+800",
                           "2024-01-02T03:04:05+08 00",
                           "2024-01-02T03:04:05 ",
                           "2024-01-02T03:04:05  Z",
                           "2024-01-02 Z",
                           "2024-01-02T03:04:05Zx",
                           "2024-1-2",
                           "24-01-02",
                           "x",
                           "2024-01-02Z",
                           "+999999999-01-01",
                           "+9999999999-01-01",
                           "2024-01-02T03:04:05,"}) {
    EXPECT_FALSE(ParseDatetime(text).ok()) << text;
  }
}

TEST(Field, DatetimesAgreeWithTheCLibrary) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const int64_t second = static_cast<int64_t>(random() % 253402300800) - (i % 2 == 0 ? 62167219200 : 0);
    const std::time_t time = second;
    std::tm parts{};
    ASSERT_NE(gmtime_r(&time, &parts), nullptr);
    if (parts.tm_year + 1900 < 0 || parts.tm_year + 1900 > 9999) continue;
    char text[64];
    std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    EXPECT_EQ(FormatDatetime({second * 1000}), text);
  }
}

TEST(Field, EveryDatetimeIsReadAgain) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20000; ++i) {
    int64_t ms = static_cast<int64_t>(random()) >> (random() % 40);
    if (i == 0) ms = INT64_MAX;
    if (i == 1) ms = INT64_MIN + 86'400'000;  // The first whole day.
    const std::string text = FormatDatetime({ms});
    const auto moment = ParseDatetime(text);
    ASSERT_TRUE(moment.ok()) << text;
    EXPECT_EQ(moment->ms, ms) << text;
  }
}

TEST(Field, ParsesValues) {
  EXPECT_EQ(*ParseFieldValue(FieldType::kInt, ""), FieldValue());
  EXPECT_EQ(*ParseFieldValue(FieldType::kInt, " -12 "), FieldValue(int64_t{-12}));
  EXPECT_EQ(*ParseFieldValue(FieldType::kFloat, "1e3"), FieldValue(1000.0));
  EXPECT_EQ(*ParseFieldValue(FieldType::kFloat, "-inf"), FieldValue(-kInfinity));
  EXPECT_EQ(*ParseFieldValue(FieldType::kBool, "true"), FieldValue(true));
  EXPECT_EQ(*ParseFieldValue(FieldType::kString, " a "), FieldValue(std::string(" a ")));
  EXPECT_EQ(*ParseFieldValue(FieldType::kDatetime, "1970-01-02"), FieldValue(Datetime{86400000}));
  EXPECT_EQ(*ParseFieldValue(FieldType::kStringList, "a, b c,,李 "),
            FieldValue(std::vector<std::string>{"a", "b c", "李"}));
  for (const auto& [type, text] :
       std::vector<std::pair<FieldType, const char*>>{{FieldType::kInt, "1.5"},
                                                      {FieldType::kInt, "9223372036854775808"},
                                                      {FieldType::kInt, " "},
                                                      {FieldType::kFloat, "nan"},
                                                      {FieldType::kFloat, "1e999"},
                                                      {FieldType::kBool, "yes"},
                                                      {FieldType::kDatetime, "today"}}) {
    const auto value = ParseFieldValue(type, text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(value.status().message(), testing::HasSubstr(text));
  }
}

TEST(Field, AValueThatNoDocumentMayHaveIsRefusedByName) {
  const std::string longest(kFieldBytesMax, 'a');
  EXPECT_TRUE(CheckValue("year", FieldType::kInt, FieldValue(int64_t{5})).ok());
  EXPECT_TRUE(CheckValue("text", FieldType::kString, FieldValue(longest)).ok());
  EXPECT_TRUE(CheckValue("far", FieldType::kFloat, FieldValue(kInfinity)).ok());
  for (const auto& [type, value, needle] : std::vector<std::tuple<FieldType, FieldValue, const char*>>{
           {FieldType::kInt, FieldValue(std::string("x")), "x is of type int"},
           {FieldType::kString, FieldValue(longest + "a"), "x is too long: 65537 bytes"},
           {FieldType::kStringList, FieldValue(std::vector<std::string>{longest}), "x is too long: 65537 bytes"},
           {FieldType::kStringList, FieldValue(std::vector<std::string>{"a", "\xFF"}), "x is not UTF-8"},
           {FieldType::kFloat, FieldValue(std::numeric_limits<double>::quiet_NaN()), "x is not a number"}}) {
    const Status status = CheckValue("x", type, value);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), testing::HasSubstr(needle));
    EXPECT_FALSE(status.remedy().empty());
  }
}

}  // namespace
}  // namespace ragtime
