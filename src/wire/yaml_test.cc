// SPDX-License-Identifier: Apache-2.0
//
// Goal: what YAML says arrives with its lines, and hostile YAML is refused in a moment. Method: known answers, an
// oracle that prints random trees which must come back, and mutated text, which must not end the process.
#include "wire/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/stopwatch.h"

namespace ragtime {
namespace {

using testing::HasSubstr;

std::string JsonOf(std::string_view text) {
  const auto yaml = ParseYaml(text);
  return yaml.ok() ? yaml->ToJson().Dump() : yaml.status().ToString();
}

std::string ErrorOf(std::string_view text) {
  const auto yaml = ParseYaml(text);
  return yaml.ok() ? "no error: " + yaml->ToJson().Dump() : yaml.status().message();
}

TEST(Yaml, ReadsScalarsListsAndMaps) {
  EXPECT_EQ(JsonOf(""), "null");
  EXPECT_EQ(JsonOf("# only a comment\n"), "null");
  EXPECT_EQ(JsonOf("a: 1\nb: \"2\"\nc:\nd: ~\ne: [x, 'y z', 3.0]\nf: {g: true}\n"),
            R"({"a":"1","b":"2","c":null,"d":null,"e":["x","y z","3.0"],"f":{"g":"true"}})");
  EXPECT_EQ(JsonOf("标题: 王小明\ntags:\n- 数据\n- 库\n"), R"({"标题":"王小明","tags":["数据","库"]})");
  EXPECT_EQ(JsonOf("a: |\n  two\n  lines\nb: >\n  one\n  line\n"), R"({"a":"two\nlines\n","b":"one line\n"})");
  EXPECT_EQ(JsonOf("a: &x [1, 2]\nb: *x\nc: *x\n"), R"({"a":["1","2"],"b":["1","2"],"c":["1","2"]})");
  EXPECT_EQ(JsonOf("a: 1\n---\nb: 2\n"), R"({"a":"1"})") << "the first document only";
}

TEST(Yaml, KnowsTheLines) {
  const auto yaml = ParseYaml("a: 1\n\nb:\n  - x\n  - y\nc: {d: e}\n");
  ASSERT_TRUE(yaml.ok()) << yaml.status().ToString();
  ASSERT_EQ(yaml->members.size(), 3u);
  EXPECT_EQ(yaml->members[0].line, 1);
  EXPECT_EQ(yaml->members[1].line, 3);
  EXPECT_EQ(yaml->Find("b")->items.at(1).line, 5);
  EXPECT_EQ(yaml->Find("c")->Find("d")->line, 6);
  EXPECT_EQ(yaml->Find("z"), nullptr);
}

TEST(Yaml, NamesTheLineOfAnError) {
  EXPECT_THAT(ErrorOf("a: 1\nb: [1\nc: {"), HasSubstr("line "));
  EXPECT_THAT(ErrorOf("a: 1\nb: 2\na: 3\n"), HasSubstr("line 3: the key a stands twice"));
  EXPECT_THAT(ErrorOf("a: 1\n? [b]\n: 2\n"), HasSubstr("a key is not a word"));
  EXPECT_THAT(ErrorOf("year: 2020\ntitle: 数据库: 入门"), HasSubstr("line 2"));
  EXPECT_THAT(ErrorOf("a: *nothing"), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("a: \"no end"), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("a: \xff\xfe"), HasSubstr("not UTF-8 at byte 3"));
  EXPECT_THAT(ErrorOf("\t- a"), HasSubstr("line 1"));
}

TEST(Yaml, RefusesHostileInputInAMoment) {
  const Stopwatch stopwatch;
  std::string nested;
  for (int i = 0; i < 200000; ++i) nested += "[";
  EXPECT_THAT(ErrorOf(nested), HasSubstr("deeper than 64 levels"));
  std::string maps;
  for (int i = 0; i < 100000; ++i) maps += "{a: ";
  EXPECT_THAT(ErrorOf(maps), HasSubstr("the YAML"));
  std::string dashes;
  for (int i = 0; i < 100000; ++i) dashes += "- ";
  EXPECT_THAT(ErrorOf(dashes), HasSubstr("the YAML"));

  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 8; ++k) laughs += ", " + before;
    laughs += "]\n";
  }
  EXPECT_THAT(ErrorOf(laughs), HasSubstr("too much"));
  EXPECT_THAT(ErrorOf("a: &a [*a]"), HasSubstr("within what it names"));
  EXPECT_THAT(ErrorOf("&a {b: *a}"), HasSubstr("within what it names"));
  std::string long_alias = "a: &a " + std::string(100000, 'x') + "\nb: [*a";
  for (int i = 0; i < 1000; ++i) long_alias += ", *a";
  EXPECT_THAT(ErrorOf(long_alias + "]"), HasSubstr("too much"));
  std::string anchors;
  for (int i = 0; i < 60; ++i) anchors += "&x" + std::to_string(i) + " [";
  EXPECT_THAT(ErrorOf(anchors + std::string(10000, 'y') + std::string(60, ']')), HasSubstr("too much"));
  EXPECT_THAT(ErrorOf(std::string(kYamlSizeBytesMax + 1, 'a')), HasSubstr("larger than"));
  EXPECT_EQ(ParseYaml("a: 1", 3).status().code(), StatusCode::kInvalidArgument);
  // A second and more would be one of the cases gone wrong; sanitizers take ten times as long.
  EXPECT_LT(stopwatch.ElapsedMs(), 20000);
}

// Random trees, printed as JSON, which is YAML.
Json RandomTree(std::mt19937& random, int depth) {
  static const std::vector<std::string> kTexts = {"",     "a",    "王 小明", "- x: [", "\"q'\\", "line\nline",
                                                  "# no", "2020", "null",    "*a",     "&b",     "!t",
                                                  "%",    "\t",   "😀",      "---",    "..."};
  switch (depth == 0 ? 0 : random() % 4) {
    case 1: {
      Json::Array array;
      for (size_t n = random() % 4; n > 0; --n) array.push_back(RandomTree(random, depth - 1));
      return array;
    }
    case 2: {
      Json object(Json::Object{});
      for (size_t n = random() % 4; n > 0; --n)
        object.Set(kTexts[random() % kTexts.size()], RandomTree(random, depth - 1));
      return object;
    }
    default:
      return kTexts[random() % kTexts.size()];
  }
}

TEST(Yaml, TakesEveryJson) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = RandomTree(random, 5).Dump();
    ASSERT_EQ(JsonOf(text), text);
  }
}

TEST(Yaml, MutatedTextIsReadOrRefused) {
  const std::string seed =
      "title: 数据库 \"入门\"\nyear: 2020\nauthor: &a {name: Li, 'city': [\"Bei\\u4eac\", x]}\nagain: *a\n"
      "text: |-\n  two\n  lines # no comment\ntags: !!seq\n- a\n-   - b\n? c\n: d\n%TAG ! x\n---\n...\n";
  std::mt19937 random(2);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (size_t n = 1 + random() % 4; n > 0 && !text.empty(); --n) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text[at] = "[]{}:,-&*!|>'\"%@`#? \n\t"[random() % 23];
          break;
        case 2:
          text.erase(at, random() % 8);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 16));
      }
    }
    const auto yaml = ParseYaml(text);
    if (!yaml.ok()) {
      EXPECT_FALSE(yaml.status().message().empty());
      continue;
    }
    ++accepted;
    EXPECT_TRUE(Json::Parse(yaml->ToJson().Dump()).ok());
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace ragtime
