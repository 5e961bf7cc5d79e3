// SPDX-License-Identifier: Apache-2.0
//
// ChooseNodes has a language model read nodes, ten at a time, and say which are relevant to a question, and how much.
//
// Threads: may be called concurrently. Errors: those of the generator.
#ifndef RAGTIME_QUERY_CHOOSE_H_
#define RAGTIME_QUERY_CHOOSE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// The nodes that the model names, scored 1 to 10 by it, best first. What it says beside that is passed over.
Result<std::vector<Hit>> ChooseNodes(const Context& context, const std::string& question, std::span<const Node> nodes,
                                     Generator& generator);

struct Choice {
  size_t number = 0;  // Of the text, from 1.
  double relevance = 0;
  friend bool operator==(const Choice&, const Choice&) = default;
};

// Reads lines such as "2: 8", "Doc: 2, Relevance: 8" or "[2] relevance 8/10". Numbers of no text, and repetitions, are
// passed over; a line without a relevance counts 1.
std::vector<Choice> ParseChoices(std::string_view reply, size_t texts);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_CHOOSE_H_
