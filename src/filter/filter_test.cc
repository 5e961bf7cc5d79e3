// SPDX-License-Identifier: Apache-2.0
//
// Goal: a filter means what docs/reference/filters.md says, its text is canonical, and every error points at its place.
// Method: tables; random conditions in random spelling against an evaluator that never sees the parser's tree; random
// and cut texts.
#include "ragtime/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

namespace ragtime {
namespace {

using testing::HasSubstr;

const std::vector<FieldSpec> kFields = {
    {"year", FieldType::kInt},      {"price", FieldType::kFloat},   {"draft", FieldType::kBool},
    {"author", FieldType::kString}, {"date", FieldType::kDatetime}, {"tags", FieldType::kStringList},
    {"作者", FieldType::kString},   {"in", FieldType::kInt},        {"inf", FieldType::kFloat},
};

const Fields kItem = {
    {"year", int64_t{2020}},
    {"price", 9.5},
    {"draft", false},
    {"author", std::string("Li \"Bai\"")},
    {"date", Datetime{1704164645000}},
    {"tags", std::vector<std::string>{"a", "李白"}},
    {"作者", std::string("李白")},
    {"in", int64_t{1}},
};

const FieldValue& ValueIn(const Fields& fields, std::string_view name) {
  static const FieldValue kNull;
  const auto found = fields.find(name);
  return found == fields.end() ? kNull : found->second;
}

bool Holds(const Filter& filter, const Fields& fields) {
  return filter.Matches([&](std::string_view name) -> const FieldValue& { return ValueIn(fields, name); });
}

std::string Canonical(std::string_view text) {
  const auto filter = Filter::Parse(text, kFields);
  return filter.ok() ? filter->ToString() : filter.status().ToString();
}

TEST(Filter, Meaning) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {"", true},
      {" \n ", true},
      {"year = 2020", true},
      {"year == 2020", true},
      {"year != 2020", false},
      {"year <> 2021", true},
      {"year < 2021 and year > 2019 and year <= 2020 and year >= 2020", true},
      {"year = 2020.0", true},
      {"year = 2.02e3", true},
      {"year in (1, 2020)", true},
      {"year IN [1, 2]", false},
      {"year not in (1, 2)", true},
      {"year between 2020 and 2021", true},
      {"year between 2021 and 2020", false},
      {"year not between 2021 and 2022 and draft", false},
      {"price = 9.5", true},
      {"price > 9", true},
      {"price < inf and price > -inf and price > - inf", true},
      {"inf = 1", false},
      {"inf is null", true},
      {"draft", false},
      {"not draft", true},
      {"!draft && !(draft)", true},
      {"draft = FALSE", true},
      {"draft in (true, false)", true},
      {"author = \"Li \\\"Bai\\\"\"", true},
      {"author = 'Li \"Bai\"'", true},
      {"author like 'Li%'", true},
      {"author like 'li%'", false},
      {"author not like '%z%'", true},
      {"author contains 'Bai'", true},
      {"author contains ''", true},
      {"author not contains 'x'", true},
      {"author < 'M'", true},
      {"date = '2024-01-02T03:04:05Z'", true},
      {"date >= \"2024-01-02\" and date < '2024-01-03'", true},
      {"date = '2024-01-02T11:04:05+08:00'", true},
      {"tags contains '李白'", true},
      {"tags contains \"\\u674e\\u767d\"", true},
      {"tags contains '李'", false},
      {"tags in ('x', 'a')", true},
      {"tags not in ('x', 'y')", true},
      {"tags is null", false},
      {"tags is not null", true},
      {"作者 = '李白'", true},
      {"作者　=　'李白'", true},
      {"`作者` like '_白'", true},
      {"`in` = 1", true},
      {"not year = 2020 or price = 9.5", true},
      {"not (year = 2020 or price = 9.5)", false},
      {"draft and draft or year = 2020", true},
      {"draft and (draft or year = 2020)", false},
      {"year = 2020 or draft and draft", true},
      {"not not year = 2020", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto filter = Filter::Parse(text, kFields);
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
    EXPECT_EQ(Holds(*filter, kItem), expected) << text;
    const auto again = Filter::Parse(filter->ToString(), kFields);
    ASSERT_TRUE(again.ok()) << filter->ToString() << ": " << again.status().ToString();
    EXPECT_EQ(again->ToString(), filter->ToString());
    EXPECT_EQ(Holds(*again, kItem), expected) << text;
  }
}

TEST(Filter, NullEqualsNothing) {
  for (const FieldSpec& field : kFields) {
    const std::string name = "`" + field.name + "`";
    EXPECT_TRUE(Holds(*Filter::Parse(name + " is null", kFields), {}));
    EXPECT_FALSE(Holds(*Filter::Parse(name + " is not null", kFields), {}));
  }
  for (const char* text : {"year = 1", "year < 1", "year >= 1", "year in (1, 2)", "year between 1 and 2", "draft",
                           "author like '%'", "author contains ''", "tags contains 'a'", "tags in ('a')"}) {
    EXPECT_FALSE(Holds(*Filter::Parse(text, kFields), {})) << text;
    EXPECT_TRUE(Holds(*Filter::Parse("not (" + std::string(text) + ")", kFields), {})) << text;
  }
  EXPECT_TRUE(Holds(*Filter::Parse("year != 2020", kFields), {}));
}

TEST(Filter, OneTextForOneMeaning) {
  const std::vector<std::vector<std::string>> groups = {
      {"", "  "},
      {"year = 1", "year==1", "(year = 1)", "year in (1)", "year in [1, 1]", "not not year = 1", "`year` = 1.0",
       "year = 1e0"},
      {"year != 1", "not year = 1", "year <> 1", "NOT (year == 1)", "year not in (1)", "! year = 1"},
      {"year in (1, 2, 10)", "year in (10, 2, 1, 2)", "year IN [2,10,1]"},
      {"year >= 1 and year <= 2", "year between 1 and 2", "year >= 1 && (year <= 2)"},
      {"year = 1 and year = 2 and year = 3", "(year = 1 and year = 2) and year = 3",
       "year = 1 and (year = 2 and year = 3)"},
      {"year = 1 and year = 2 or year = 3", "(year = 1 && year = 2) || year = 3"},
      {"year = 1 and (year = 2 or year = 3)", "year=1 AND(year=2 OR(year=3))"},
      {"draft = true", "draft", "draft = TRUE", "draft in (true)"},
      {"draft != true", "not draft", "!draft", "draft != true"},
      {"not year < 1", "! (year < 1)"},
      {"not (year = 1 or draft = true)", "!(year = 1 || draft)"},
      {"price = 2.0", "price = 2", "price = 2e0", "price = 20.0e-1"},
      {"price = 0.0", "price = -0", "price = -0.0", "price = 0"},
      {"price in (0.0, inf)", "price in (inf, 0, -0.0)"},
      {"price > -inf", "price > - inf"},
      {"tags contains \"a\"", "tags in ('a')", "tags contains 'a'"},
      {"tags not contains \"a\"", "tags not in ['a']", "not tags contains \"a\""},
      {"author is not null", "not author is null"},
      {"date < \"2024-01-01T16:00:00Z\"", "date < '2024-01-02T00:00+08:00'"},
      {"`in` = 1", "`in` == 1"},
      {"author = \"\\u0001\\n中\"", "author = '\\u0001\n\\u4e2d'"},
      {"author = \"😀\"", "author = '\\ud83d\\ude00'"},
  };
  for (const auto& group : groups) {
    for (const std::string& text : group) EXPECT_EQ(Canonical(text), group[0]) << text;
  }
  EXPECT_TRUE(Filter().matches_all());
  EXPECT_TRUE(Filter::Parse(" ", kFields)->matches_all());
  EXPECT_EQ(Filter().ToString(), "");
  EXPECT_FALSE(Filter::Parse("draft", kFields)->matches_all());
}

struct ErrorCase {
  std::string text;
  size_t column;
  std::string part;
};

TEST(Filter, ErrorsPointAtTheirPlace) {
  const std::vector<ErrorCase> cases = {
      {"yaer = 2020", 1, "there is no field \"yaer\""},
      {"draft and yaer = 2020", 11,
       "Did you mean \"year\"? Known fields: year, price, draft, author, date, tags, 作者, in, inf."},
      {"qqqqqqqq = 1", 1, "(Known fields"},
      {"作者 = 李白", 6, "\"李白\" stands where a value could stand"},
      {"作者 = '李白' und draft", 11, "\"und\" stands where and, or, or the end could stand"},
      {"year", 5, "the end stands where =, !=, <, <=, >, >=, in, between, like, contains or is null"},
      {"year =", 7, "the end stands where a value"},
      {"year = \"a\"", 8, "the field \"year\" of type int cannot be compared with \"a\""},
      {"year = 1.5", 8, "\"1.5\""},
      {"year = 1e300", 8, "\"1e300\""},
      {"year = 9223372036854775808", 8, "type int"},
      {"price = 1e999", 9, "type float"},
      {"price = true", 9, "type float"},
      {"draft = 1", 9, "type bool"},
      {"draft < true", 7, "has no \"<\""},
      {"draft 5", 7, "=, !=, in, is null, and, or, or the end"},
      {"author = 5", 10, "type string"},
      {"author = true", 10, "type string"},
      {"date > '2024-13-01'", 8, "type datetime"},
      {"date > 2024", 8, "date in quotes"},
      {"date > 2024-01-02", 8, "date in quotes"},
      {"tags = 'a'", 6, "It has contains, in and is null."},
      {"tags like 'a'", 6, "has no \"like\""},
      {"year like '2%'", 6, "has no \"like\""},
      {"year contains 2", 6, "has no \"contains\""},
      {"year = null", 8, "Write: year is null"},
      {"year is 5", 9, "null or not null"},
      {"year is not 5", 13, "null"},
      {"year not 5", 10, "in, between, like or contains"},
      {"year in 5", 9, "a list in ( ) or [ ]"},
      {"year in ()", 10, "a value"},
      {"year in (1, )", 13, "a value"},
      {"year in (1, 2]", 14, ", or )"},
      {"year in [1 2]", 12, ", or ]"},
      {"year in (1, 'a')", 13, "type int"},
      {"year between 1 or 2", 16, "and with the upper value"},
      {"(year = 1", 10, "and, or, or )"},
      {"year = 1)", 9, "has no ( before it"},
      {"and year = 1", 1, "`and`"},
      {"year = 1 and", 13, "the end"},
      {"year = 1 or or", 13, "\"or\""},
      {"2020 = year", 1, "a field, not or ("},
      {"not", 4, "a field"},
      {"in = 1", 1, "Write `in` in backquotes"},
      {"year = 20x", 8, "\"20x\" is not a number"},
      {"year = 1.2.3", 8, "is not a number"},
      {"year = - 5", 8, "\"-\""},
      {"year = 1 & draft", 10, "&&"},
      {"year = 1 ; draft", 10, "\";\""},
      {"author = 'abc", 10, "a text in quotes has no end"},
      {"author = '中\\x'", 12, "an escape"},
      {"author = '\\ud800'", 11, "an escape"},
      {"author = '\\udc00\\ud800'", 11, "an escape"},
      {"author = '\\u12'", 11, "an escape"},
      {"`year = 1", 1, "backquotes"},
      {"`` = 1", 1, "backquotes"},
      {"作者 = '\xFF'", 7, "not UTF-8"},
      {"price = nan", 9, "\"nan\""},
  };
  for (const ErrorCase& error : cases) {
    const auto filter = Filter::Parse(error.text, kFields);
    ASSERT_FALSE(filter.ok()) << error.text;
    EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(filter.status().ToString(), HasSubstr(" column " + std::to_string(error.column) + ":")) << error.text;
    EXPECT_THAT(filter.status().ToString(), HasSubstr(error.part)) << error.text;
  }
  EXPECT_THAT(Filter::Parse("a = 1", {}).status().remedy(), HasSubstr("doc_fields"));
}

TEST(Filter, Limits) {
  const auto nested = [](int depth, std::string_view open, std::string_view close) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += open;
    text += "draft";
    for (int i = 0; i < depth; ++i) text += close;
    return Filter::Parse(text, kFields);
  };
  for (const auto& [open, close] : {std::pair("(", ")"), std::pair("not ", ""), std::pair("!(draft and ", ")")}) {
    const int levels = open[1] == '(' ? 2 : 1;
    EXPECT_TRUE(nested(256 / levels, open, close).ok());
    const auto deeper = nested(256 / levels + 1, open, close);
    ASSERT_FALSE(deeper.ok());
    EXPECT_THAT(deeper.status().message(), HasSubstr("nested too deep"));
  }
  // What parses has a canonical text that parses.
  for (int depth = 120; depth <= 128; ++depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "!(draft and ";
    const auto filter =
        Filter::Parse(text + "year not between 1 and 2" + std::string(static_cast<size_t>(depth), ')'), kFields);
    ASSERT_EQ(filter.ok(), depth < 128);
    if (filter.ok()) {
      EXPECT_TRUE(Filter::Parse(filter->ToString(), kFields).ok()) << depth;
    }
  }
  // Parentheses side by side are not nested.
  std::string wide = "draft";
  for (int i = 0; i < 1000; ++i) wide += " or (not draft)";
  EXPECT_TRUE(Filter::Parse(wide, kFields).ok());
  const std::string largest = "author = '" + std::string(64 * 1024 - 11, 'x') + "'";
  EXPECT_TRUE(Filter::Parse(largest, kFields).ok());
  const auto longer = Filter::Parse(largest + " ", kFields);
  ASSERT_FALSE(longer.ok());
  EXPECT_THAT(longer.status().message(), HasSubstr("too long: 65537 bytes, at most 65536"));
}

// A condition in random spelling, and what it means for an item, worked out while it is written.
class RandomCondition {
 public:
  RandomCondition(uint32_t seed, const Fields& item) : random_(seed), item_(item) {}

  std::pair<std::string, bool> Make(int depth) {
    if (depth == 0) return Leaf();
    switch (Below(4)) {
      case 0: {
        const auto [text, truth] = Make(depth - 1);
        return {Pick({"not ", "NOT ", "!", "! "}) + "(" + text + ")", !truth};
      }
      case 1:
        return Leaf();
      default: {
        const bool is_and = Below(2) == 0;
        std::string text;
        bool truth = is_and;
        const int operands = 2 + Below(3);
        for (int i = 0; i < operands; ++i) {
          const auto [operand, operand_truth] = Make(depth - 1);
          if (i > 0) text += is_and ? Pick({" and ", "&&", " AND "}) : Pick({" or ", "||", " Or "});
          text += "(" + operand + ")";
          truth = is_and ? truth && operand_truth : truth || operand_truth;
        }
        return {text, truth};
      }
    }
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string Pick(std::vector<std::string> texts) {
    return texts[static_cast<size_t>(Below(static_cast<int>(texts.size())))];
  }

  template <typename Value>
  std::pair<std::string, bool> Compare(const std::string& name, const std::optional<Value>& value, const Value& with,
                                       const std::string& literal) {
    switch (Below(6)) {
      case 0:
        return {name + Pick({"=", " == "}) + literal, value && *value == with};
      case 1:
        return {name + Pick({"!=", " <> "}) + literal, !(value && *value == with)};
      case 2:
        return {name + "<" + literal, value && *value < with};
      case 3:
        return {name + " <= " + literal, value && *value <= with};
      case 4:
        return {name + ">" + literal, value && *value > with};
      default:
        return {name + ">= " + literal, value && *value >= with};
    }
  }

  template <typename Value>
  std::optional<Value> Get(const std::string& name) const {
    const auto found = item_.find(name);
    if (found == item_.end()) return std::nullopt;
    return std::get<Value>(found->second);
  }

  std::pair<std::string, bool> Leaf() {
    switch (Below(6)) {
      case 0: {
        const int64_t number = Below(4);
        return Compare<int64_t>("year", Get<int64_t>("year"), number, std::to_string(number));
      }
      case 1: {
        const int number = Below(4);
        return Compare<double>("price", Get<double>("price"), number, std::to_string(number) + Pick({"", ".0", "e0"}));
      }
      case 2: {
        const std::string letter = Pick({"a", "b", "李", ""});
        return Compare<std::string>("author", Get<std::string>("author"), letter, Pick({"'", "'"}) + letter + "'");
      }
      case 3: {
        const auto draft = Get<bool>("draft");
        if (Below(2) == 0) return {"draft", draft && *draft};
        return {"draft != true", !(draft && *draft)};
      }
      case 4: {
        const auto tags = Get<std::vector<std::string>>("tags");
        const std::string letter = Pick({"a", "b", "李"});
        const bool has = tags && std::find(tags->begin(), tags->end(), letter) != tags->end();
        if (Below(2) == 0) return {"tags contains '" + letter + "'", has};
        return {"tags not in ('zz', '" + letter + "')", !has};
      }
      default: {
        const auto year = Get<int64_t>("year");
        const int low = Below(4);
        const int high = Below(4);
        const std::string range = std::to_string(low) + " and " + std::to_string(high);
        if (Below(3) == 0) return {"year is not null", year.has_value()};
        return {"year between " + range, year && *year >= low && *year <= high};
      }
    }
  }

  std::mt19937 random_;
  const Fields& item_;
};

TEST(Filter, RandomConditions) {
  std::mt19937 random(3);
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Fields item;
    if (random() % 3 != 0) item["year"] = static_cast<int64_t>(random() % 4);
    if (random() % 3 != 0) item["price"] = static_cast<double>(random() % 4);
    if (random() % 3 != 0) item["draft"] = random() % 2 == 0;
    if (random() % 3 != 0) item["author"] = std::string(random() % 2 == 0 ? "a" : "李");
    if (random() % 3 != 0) item["tags"] = std::vector<std::string>{"b", random() % 2 == 0 ? "a" : "李"};
    const auto [text, truth] = RandomCondition(seed, item).Make(static_cast<int>(seed % 6));
    const auto filter = Filter::Parse(text, kFields);
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
    ASSERT_EQ(Holds(*filter, item), truth) << text;
    const std::string canonical = filter->ToString();
    const auto again = Filter::Parse(canonical, kFields);
    ASSERT_TRUE(again.ok()) << canonical;
    ASSERT_EQ(Holds(*again, item), truth) << text << "\n" << canonical;
    ASSERT_EQ(again->ToString(), canonical) << text;
  }
}

TEST(Filter, AnyTextEndsWell) {
  const std::vector<std::string> pieces = {
      "year", "draft", "tags", "author",   "=",    "<",       "in", "(",    ")",   "[",  "]", ",",
      "and",  "or",    "not",  "is",       "null", "between", "1",  "1.5",  "'a'", "\"", "`", "-",
      "inf",  "true",  "like", "contains", "李",   "\\",      " ",  "\xFF", "!",   "&&", "'"};
  std::mt19937 random(4);
  int parsed = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n)
      text += pieces[random() % pieces.size()] + (random() % 4 == 0 ? "" : " ");
    const auto filter = Filter::Parse(text, kFields);
    if (!filter.ok()) {
      ASSERT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
      continue;
    }
    ++parsed;
    const std::string canonical = filter->ToString();
    const auto again = Filter::Parse(canonical, kFields);
    ASSERT_TRUE(again.ok()) << text << "\n" << canonical;
    ASSERT_EQ(again->ToString(), canonical) << text;
  }
  EXPECT_GT(parsed, 100);
}

TEST(Filter, LeafOfAnotherType) {
  FilterNode leaf;
  leaf.op = FilterOp::kEqual;
  leaf.values = {int64_t{1}};
  EXPECT_TRUE(MatchesLeaf(leaf, int64_t{1}));
  EXPECT_FALSE(MatchesLeaf(leaf, 1.0));
  leaf.op = FilterOp::kGreater;
  EXPECT_FALSE(MatchesLeaf(leaf, std::string("a")));
  leaf.values = {};
  EXPECT_FALSE(MatchesLeaf(leaf, int64_t{1}));
  leaf.op = FilterOp::kAnd;
  EXPECT_FALSE(MatchesLeaf(leaf, int64_t{1}));
  leaf.op = FilterOp::kEqual;
  leaf.values = {0.0};
  EXPECT_TRUE(MatchesLeaf(leaf, -0.0));
}

}  // namespace
}  // namespace ragtime
