// SPDX-License-Identifier: Apache-2.0
//
// Goal: what Dump prints Parse reads back as the same value, and no bytes from outside crash Parse or pass its limits.
#include "wire/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "base/str_cat.h"

namespace ragtime {
namespace {

Json MustParse(std::string_view text) {
  Result<Json> json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text << ": " << json.status().ToString();
  return json.ok() ? *json : Json();
}

TEST(JsonTest, ReadsEveryKindOfValue) {
  const Json json =
      MustParse(R"({"n":null,"t":true,"i":-9223372036854775808,"d":1.5e3,"s":"a\u4e2d\n","a":[1,[2]],"o":{"k":0}})");
  EXPECT_TRUE(json["n"].is_null());
  EXPECT_TRUE(json["t"].AsBool());
  EXPECT_EQ(json["i"].AsInt(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(json["d"].AsDouble(), 1500.0);
  EXPECT_EQ(json["s"].AsString(), "a中\n");
  EXPECT_EQ(json["a"][1][0].AsInt(), 2);
  EXPECT_EQ(json["o"]["k"].AsInt(7), 0);
  EXPECT_EQ(json.AsObject().size(), 7u);
  EXPECT_EQ(json.AsObject()[0].first, "n");
}

TEST(JsonTest, LookUpsOfMissingThingsChainToNull) {
  const Json json = MustParse(R"({"a":[1]})");
  EXPECT_TRUE(json["x"]["y"][3]["z"].is_null());
  EXPECT_TRUE(json["a"][1].is_null());
  EXPECT_EQ(json["a"].AsString("no"), "no");
  EXPECT_EQ(json["a"].AsInt(5), 5);
  EXPECT_TRUE(json["x"].AsObject().empty());
  EXPECT_TRUE(json["x"].AsArray().empty());
  EXPECT_FALSE(json.Has("x"));
  EXPECT_TRUE(json.Has("a"));
}

TEST(JsonTest, PrintsInTheOrderOfInsertionAndReplaces) {
  Json json;
  json.Set("z", 1).Set("a", Json().Append("x").Append(2.0)).Set("e", Json(Json::Array())).Set("z", true);
  EXPECT_EQ(json.Dump(), R"({"z":true,"a":["x",2.0],"e":[]})");
  EXPECT_EQ(json.Dump(2), "{\n  \"z\": true,\n  \"a\": [\n    \"x\",\n    2.0\n  ],\n  \"e\": []\n}");
}

TEST(JsonTest, PrintsStringsAsJson) {
  EXPECT_EQ(Json("a\"b\\c\x01\t\x7f中").Dump(), "\"a\\\"b\\\\c\\u0001\\t\\u007f中\"");
  EXPECT_EQ(Json(std::string("\xff"
                             "a\xe4\xb8"))
                .Dump(),
            "\"\xef\xbf\xbd"
            "a\xef\xbf\xbd\"");
  EXPECT_EQ(Json(std::string("a\0b", 3)).Dump(), "\"a\\u0000b\"");
}

TEST(JsonTest, PrintsNumbersShortestAndExactly) {
  EXPECT_EQ(Json(0.1).Dump(), "0.1");
  EXPECT_EQ(Json(-0.0).Dump(), "-0.0");
  EXPECT_EQ(Json(1e300).Dump(), "1e+300");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).Dump(), "null");
  EXPECT_EQ(Json(std::nan("")).Dump(), "null");
  EXPECT_EQ(Json(std::numeric_limits<int64_t>::max()).Dump(), "9223372036854775807");
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t bits = random();
    double value;
    static_assert(sizeof(value) == sizeof(bits));
    __builtin_memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(MustParse(Json(value).Dump()).AsDouble(), value);
    EXPECT_EQ(MustParse(Json(static_cast<int64_t>(bits)).Dump()).AsInt(), static_cast<int64_t>(bits));
  }
}

TEST(JsonTest, WholeDoublesAreIntegersToo) {
  EXPECT_EQ(MustParse("3.0").AsInt(), 3);
  EXPECT_EQ(MustParse("3.5").AsInt(-1), -1);
  EXPECT_EQ(MustParse("1e300").AsInt(-1), -1);
  EXPECT_EQ(MustParse("18446744073709551615").AsDouble(), 18446744073709551615.0);
}

TEST(JsonTest, TheLastOfRepeatedKeysCounts) {
  EXPECT_EQ(MustParse(R"({"a":1,"b":2,"a":3,"b":4,"c":5,"a":6})").Dump(), R"({"a":6,"b":4,"c":5})");
}

TEST(JsonTest, ErrorsNameTheByte) {
  const Result<Json> bad = Json::Parse(R"({"a": 1,, })");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.status().message(), "the JSON text is malformed at byte 8");
  const Result<Json> cut = Json::Parse(R"({"a": [1)");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.status().message(), "the JSON text ends too early, at byte 8");
  for (std::string_view text :
       {"", " ", "nul", "01", "1 2", "\"\xff\"", "\"a", "[1,]", "{a:1}", "1e999", "\"\\ud800\"", "'a'"}) {
    EXPECT_FALSE(Json::Parse(text).ok()) << text;
  }
}

TEST(JsonTest, LimitsHold) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(Json::Parse(nested(100)).ok());
  EXPECT_EQ(Json::Parse(nested(101)).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Json::Parse(std::string(1000000, '[')).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Json::Parse(std::string((size_t{64} << 20) + 1, ' ')).status().code(), StatusCode::kResourceExhausted);
}

Json RandomJson(std::mt19937_64& random, int depth) {
  const auto below = [&](uint64_t n) { return random() % n; };
  switch (below(depth > 0 ? 7 : 5)) {
    case 0:
      return Json();
    case 1:
      return Json(below(2) == 1);
    case 2:
      return Json(static_cast<int64_t>(random()));
    case 3:
      return Json(static_cast<double>(static_cast<int64_t>(random())) / 1e6);
    case 4: {
      std::string text;
      for (uint64_t i = below(8); i > 0; --i) text += std::string_view("a\"\\\n\x01é/ ").substr(below(6), 1);
      return Json(text);
    }
    case 5: {
      Json array{Json::Array()};
      for (uint64_t i = below(5); i > 0; --i) array.Append(RandomJson(random, depth - 1));
      return array;
    }
    default: {
      Json object{Json::Object()};
      for (uint64_t i = below(5); i > 0; --i) object.Set(StrCat("k", below(9)), RandomJson(random, depth - 1));
      return object;
    }
  }
}

TEST(JsonTest, RandomValuesRoundTripAndMutationsNeverCrash) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string text = RandomJson(random, 5).Dump(static_cast<int>(random() % 3));
    const std::string line = MustParse(text).Dump();
    EXPECT_EQ(MustParse(line).Dump(), line);
    for (int m = 0; m < 5 && !text.empty(); ++m) {
      text[random() % text.size()] = static_cast<char>(random());
      const Result<Json> json = Json::Parse(text);
      EXPECT_TRUE(!json.ok() || Json::Parse(json->Dump()).ok());
    }
  }
}

}  // namespace
}  // namespace ragtime
