// SPDX-License-Identifier: Apache-2.0
//
// Goal: no text that passes the filter holds a bracketed number but [1] ... [n], and the filter forbids nothing else.
#include "model/marker_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/str_cat.h"

namespace ragtime {
namespace {

bool Passes(size_t passage_count, std::string_view text) {
  MarkerFilter filter(passage_count);
  if (!filter.Allows(text)) return false;
  filter.Take(text);
  return filter.MayEnd();
}

TEST(MarkerFilterTest, AllowsTheMarkersOfThePassages) {
  for (std::string_view text :
       {"[1]", "[2].", "a [1][2] b", "[[1]]", "[1]2[2]3", "] [1]", "7", "[a] [x7] [] [", "数据[2]。", "[link](7)"}) {
    EXPECT_TRUE(Passes(2, text)) << text;
  }
  for (std::string_view text : {"[0]", "[3]", "[10]", "[01]", "[1, 2]", "[1-2]", "[1", "[ 1 ]", "[-1]", "[^3]", "[#3]",
                                "[1.5]", "[, 3]", "[[7]]", "[99999999999999999999999]", "a][7]", "[1a]", "[1[2]"}) {
    EXPECT_FALSE(Passes(2, text)) << text;
  }
  for (std::string_view text : {"[1]", "[9]", "[10]", "[12]", "[1][12]"}) EXPECT_TRUE(Passes(12, text)) << text;
  for (std::string_view text : {"[13]", "[120]", "[20]"}) EXPECT_FALSE(Passes(12, text)) << text;
  EXPECT_TRUE(Passes(0, "[7] [0"));
}

// Every "[", then white space or signs, then a digit, up to and with the next "]".
std::vector<std::string> BracketedNumbers(const std::string& text) {
  std::vector<std::string> found;
  for (size_t open = text.find('['); open != std::string::npos; open = text.find('[', open + 1)) {
    const size_t first = text.find_first_not_of(" \t\r\n+-#^(.,", open + 1);
    if (first == std::string::npos || text[first] < '0' || text[first] > '9') continue;
    const size_t close = text.find(']', first);
    found.push_back(text.substr(open, close == std::string::npos ? close : close + 1 - open));
  }
  return found;
}

TEST(MarkerFilterTest, WhatPassesPieceByPieceHoldsNoOtherMarker) {
  std::mt19937_64 random(6);
  const std::string_view pieces[] = {"[", "]",  "][",  " [", "1", "2",  "7",  "1]", "]7",
                                     " ", "[1", "12]", "0",  "a", "\n", "五", "[[", "-"};
  size_t refused = 0;
  size_t markers = 0;
  for (int round = 0; round < 2000; ++round) {
    const size_t passage_count = 1 + random() % 13;
    MarkerFilter filter(passage_count);
    std::string text;
    for (int i = 0; i < 40 || !filter.MayEnd(); ++i) {
      const std::string_view piece = i < 200 ? pieces[random() % std::size(pieces)] : "]";
      if (!filter.Allows(piece)) {
        ++refused;
        continue;
      }
      filter.Take(piece);
      text += piece;
    }
    for (const std::string& marker : BracketedNumbers(text)) {
      ++markers;
      bool known = false;
      for (size_t n = 1; n <= passage_count; ++n) known = known || marker == StrCat("[", n, "]");
      EXPECT_TRUE(known) << marker << " in " << text;
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(markers, 1000u);
}

}  // namespace
}  // namespace ragtime
