// SPDX-License-Identifier: Apache-2.0
#include "model/llama/first_scores.h"

#include <algorithm>

namespace ragtime {

std::span<const float> FirstScores::Find(std::span<const Token> prompt) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return std::ranges::equal(entry.first, prompt); });
  if (found == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found);
  return entries_.front().second;
}

void FirstScores::Keep(std::span<const Token> prompt, std::span<const float> scores) {
  if (!Find(prompt).empty()) return;
  entries_.emplace_front(std::vector<Token>(prompt.begin(), prompt.end()),
                         std::vector<float>(scores.begin(), scores.end()));
  bytes_ += BytesOf(entries_.front());
  for (; entries_.size() > 1 && bytes_ > bytes_max_; entries_.pop_back()) bytes_ -= BytesOf(entries_.back());
}

}  // namespace ragtime
