// SPDX-License-Identifier: Apache-2.0
//
// Goal: what a schema says becomes rules, and what no rule can say is refused by its name and place. That the rules
// mean what they should is seen in llama_generator_test, where a real model writes by them.
#include "model/llama/json_grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ragtime {
namespace {

std::string Grammar(std::string_view schema) {
  const Result<std::string> grammar = JsonGrammar(schema);
  EXPECT_TRUE(grammar.ok()) << grammar.status().ToString();
  return grammar.ok() ? *grammar : "";
}

bool Has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(JsonGrammarTest, WithoutASchemaAnyObject) { EXPECT_TRUE(Grammar("").starts_with("root ::= object\n")); }

TEST(JsonGrammarTest, MembersAreWrittenInOrderAndTheRequiredOnesAlways) {
  const std::string grammar = Grammar(
      R"({"type":"object","properties":{"a":{"type":"string"},"b \"c\"":{"type":"integer"}},"required":["a"]})");
  EXPECT_TRUE(Has(grammar, R"("\"a\"" ws ":" ws string ws)")) << grammar;
  EXPECT_TRUE(Has(grammar, R"("\"b \\\"c\\\"\"" ws ":" ws integer ws)")) << grammar;
  EXPECT_TRUE(Has(grammar, R"(("," ws r1)?)")) << grammar;
  EXPECT_FALSE(Has(grammar, R"(("," ws r4)?)")) << grammar;
}

TEST(JsonGrammarTest, ListsChoicesAndReferences) {
  EXPECT_TRUE(Has(Grammar(R"({"enum":["x",7,null]})"), R"("\"x\"" | "7" | "null")"));
  EXPECT_TRUE(Has(Grammar(R"({"type":["string","null"]})"), "string | null"));
  EXPECT_TRUE(Has(Grammar(R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})"), "{1,2}"));
  EXPECT_TRUE(Has(Grammar(R"({"type":"string","minLength":1,"maxLength":9})"), "char{1,9}"));
  const std::string tree = Grammar(
      R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}}})");
  EXPECT_TRUE(tree.starts_with("root ::= ref1\n")) << tree;
  EXPECT_TRUE(Has(tree, R"("\"next\"" ws ":" ws ref1 ws)")) << tree;
}

TEST(JsonGrammarTest, WhatCannotBeHeldToIsNamed) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"{", "no JSON"},
      {"[]", "no object"},
      {R"({"type":"thing"})", "no type thing"},
      {R"({"type":"string","pattern":"a+"})", "has pattern at #"},
      {R"({"type":"object","properties":{"n":{"type":"number","minimum":1}}})", "has minimum at #/properties/n"},
      {R"({"type":"array","items":{"allOf":[]}})", "has allOf at #/items"},
      {R"({"type":"string","maxLength":100000})", "maxLength of more than 1000"},
      {R"({"type":"array","minItems":3,"maxItems":2})", "allow nothing"},
      {R"({"$ref":"#/$defs/none"})", "there is no #/$defs/none"},
      {R"({"$ref":"http://elsewhere/x"})", "to elsewhere"},
      {R"({"enum":[]})", "an empty list"},
      {R"({"type":"object","properties":{"a":true},"required":["b"]})", "required member b"},
      {R"({"anyOf":[{"type":"string"}],"type":"string"})", "type beside a choice"}};
  for (const auto& [schema, message] : wrong) {
    const Result<std::string> grammar = JsonGrammar(schema);
    ASSERT_FALSE(grammar.ok()) << schema;
    EXPECT_EQ(grammar.status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(Has(grammar.status().message(), message)) << grammar.status().message();
    EXPECT_FALSE(grammar.status().remedy().empty());
  }
}

// Each of 8,000 definitions is the next one: a stack of so many calls would end the program.
TEST(JsonGrammarTest, AChainOfReferencesEndsSomewhere) {
  const auto chain = [](int length) {
    std::string schema = R"({"$ref":"#/$defs/0","$defs":{)";
    for (int i = 0; i < length; ++i) {
      schema += "\"" + std::to_string(i) + R"(":{"$ref":"#/$defs/)" + std::to_string(i + 1) + R"("},)";
    }
    return schema + "\"" + std::to_string(length) + R"(":{"type":"null"}}})";
  };
  EXPECT_TRUE(Has(Grammar(chain(200)), "null\n"));
  const Result<std::string> refused = JsonGrammar(chain(8000));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Has(refused.status().message(), "deeper than 256 levels")) << refused.status().message();
}

}  // namespace
}  // namespace ragtime
