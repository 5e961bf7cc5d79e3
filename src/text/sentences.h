// SPDX-License-Identifier: Apache-2.0
//
// SplitSentences cuts text into sentences by fixed rules for English and Chinese.
//
// Takes any bytes; what is not UTF-8 counts as ordinary characters and is never cut apart. Time is linear.
#ifndef RAGTIME_TEXT_SENTENCES_H_
#define RAGTIME_TEXT_SENTENCES_H_

#include <string_view>
#include <vector>

#include "ragtime/node.h"

namespace ragtime {

// Consecutive ranges that cover `text`: each ends where the next starts, and keeps the white space that follows it.
// A sentence ends after . ! ? … 。！？； with the closing quotes and brackets behind them, at an empty line, and at
// the end of a line that is a list item, a table row or a Markdown heading. Abbreviations, initials, numbers, file
// names and addresses do not end one.
std::vector<Span> SplitSentences(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_SENTENCES_H_
