// SPDX-License-Identifier: Apache-2.0
//
// Goal: the tokens come back as they were added, and equal ones have one number.
#include "text/token_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace ragtime {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows Back(const TokenRows& rows) {
  Rows result;
  size_t next = 0;
  for (const uint32_t length : rows.lengths) {
    result.emplace_back();
    for (uint32_t i = 0; i < length; ++i) result.back().emplace_back(rows.terms[rows.tokens[next++]]);
  }
  EXPECT_EQ(next, rows.tokens.size());
  return result;
}

TEST(TokenTable, GivesBackWhatWasAdded) {
  const Rows rows = {{"a", "b", "a"}, {}, {"", "b", std::string(100000, 'x')}, {"中", "中文", "a"}};
  const TokenTable table(rows);
  EXPECT_EQ(Back(table.rows()), rows);
  EXPECT_EQ(table.tokens(), 9u);
  EXPECT_EQ(table.rows().terms.size(), 6u);
  EXPECT_EQ(TokenTable().rows().lengths.size(), 0u);
}

TEST(TokenTable, GrowsWithManyTermsAndMoves) {
  std::mt19937 random(7);
  Rows rows(500);
  std::set<std::string> distinct;
  for (auto& row : rows) {
    for (int i = 0; i < 100; ++i) {
      row.push_back("term" + std::to_string(random() % 20000));
      distinct.insert(row.back());
    }
  }
  TokenTable first(rows);
  const TokenTable table = std::move(first);
  EXPECT_EQ(Back(table.rows()), rows);
  EXPECT_EQ(std::set<std::string>(table.rows().terms.begin(), table.rows().terms.end()), distinct);
  EXPECT_EQ(table.rows().terms.size(), distinct.size());
}

}  // namespace
}  // namespace ragtime
