// SPDX-License-Identifier: Apache-2.0
//
// Goal: an expression means exactly what the filter means, null included, or there is none.
#include "store/milvus/milvus_expression.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

const std::vector<FieldSpec>& Specs() {
  static const std::vector<FieldSpec> specs = {{"year", FieldType::kInt},     {"price", FieldType::kFloat},
                                               {"draft", FieldType::kBool},   {"author", FieldType::kString},
                                               {"due", FieldType::kDatetime}, {"tags", FieldType::kStringList},
                                               {"like_", FieldType::kString}};
  return specs;
}

std::string Of(std::string_view filter) {
  return MilvusExpression(Value(Filter::Parse(filter, Specs()))).value_or("no expression");
}

TEST(MilvusExpression, SaysEachOperator) {
  EXPECT_EQ(Of(""), "");
  EXPECT_EQ(Of("year = 2020"), "f_year == 2020");
  EXPECT_EQ(Of("year < 2020"), "f_year < 2020");
  EXPECT_EQ(Of("year > -9223372036854775807"), "f_year > -9223372036854775807");
  EXPECT_EQ(Of("year in (1, -2)"), "f_year in [-2, 1]");
  EXPECT_EQ(Of("price >= 2"), "f_price >= 2.0");
  EXPECT_EQ(Of("price > 0.1"), "f_price > 0.10000000000000001");
  EXPECT_EQ(Of("price > 1e300"), "f_price > 1.0000000000000001e+300");
  EXPECT_EQ(Of("draft"), "f_draft == true");
  EXPECT_EQ(Of("author = '李\"\\\\'"), "f_author == \"李\\\"\\\\\"");
  EXPECT_EQ(Of("due < '1970-01-02'"), "f_due < 86400000");
  EXPECT_EQ(Of("tags contains 'a'"), "array_contains(f_tags, \"a\")");
  EXPECT_EQ(Of("tags in ('a', 'b')"), "array_contains_any(f_tags, [\"a\", \"b\"])");
  EXPECT_EQ(Of("author contains 'x y'"), "f_author like \"%x y%\"");
  EXPECT_EQ(Of("author like 'Li%'"), "f_author like \"Li%\"");
  EXPECT_EQ(Of("author like '%Li'"), "f_author like \"%Li\"");
  EXPECT_EQ(Of("author is null"), "f_author is null");
  EXPECT_EQ(Of("like_ = 'x'"), "f_like_ == \"x\"");
}

TEST(MilvusExpression, ANegationHoldsForNull) {
  EXPECT_EQ(Of("year != 2020"), "(not (f_year == 2020)) or f_year is null");
  EXPECT_EQ(Of("author is not null"), "f_author is not null");
  EXPECT_EQ(Of("not (year = 1 and not draft)"), "((not (f_year == 1)) or f_year is null) or (f_draft == true)");
  EXPECT_EQ(Of("not (year = 1 or draft)"),
            "((not (f_year == 1)) or f_year is null) and ((not (f_draft == true)) or f_draft is null)");
}

TEST(MilvusExpression, HasNoneWhereMilvusMeansSomethingElse) {
  for (const char* filter :
       {"author like 'a_c'", "author like 'a%c'", "author contains '50%'", "author like '%'", "author contains '\\\\'",
        "author = 'line\nbreak'", "year = 1 or author like 'a_'", "author contains 'it\"s'"}) {
    EXPECT_EQ(Of(filter), "no expression") << filter;
  }
}

TEST(MilvusExpression, NamesIds) { EXPECT_EQ(MilvusIdsExpression(std::vector<int64_t>{3, 1}), "id in [3, 1]"); }

}  // namespace
}  // namespace ragtime
