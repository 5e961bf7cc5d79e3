// SPDX-License-Identifier: Apache-2.0
#include "engine/node_question.h"

#include <algorithm>
#include <string_view>

namespace ragtime {
namespace {

constexpr size_t kQuestionBytesMax = 300;

}  // namespace

std::string QuestionOf(const Node& node) {
  static constexpr std::string_view kEnds[] = {". ", "? ", "! ", "\n", "。", "！", "？"};
  size_t end = node.text.size();
  for (const std::string_view mark : kEnds) {
    const size_t at = node.text.find(mark);
    if (at != std::string::npos && at + mark.size() < node.text.size()) end = std::min(end, at + mark.size());
  }
  if (end == node.text.size() && !node.heading.empty()) return node.heading.back();
  end = std::min(end, kQuestionBytesMax);
  while (end < node.text.size() && (node.text[end] & 0xC0) == 0x80) --end;
  return node.text.substr(0, end);
}

}  // namespace ragtime
