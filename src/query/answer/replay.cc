// SPDX-License-Identifier: Apache-2.0
#include "query/answer/replay.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr size_t kPieceBytes = 24;

// Where a piece that starts at `start` ends: behind a blank where one is near, and never within a character.
size_t EndOfPiece(std::string_view text, size_t start) {
  size_t end = std::min(text.size(), start + kPieceBytes);
  const size_t blank = text.find(' ', end);
  if (blank != std::string_view::npos && blank < end + kPieceBytes) end = blank + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end;
}

// What the reader got of it.
size_t Send(const Generator::OnToken& on_token, Channel channel, std::string_view text) {
  for (size_t start = 0; start < text.size();) {
    const size_t end = EndOfPiece(text, start);
    if (!on_token(channel, text.substr(start, end - start))) return end;
    start = end;
  }
  return text.size();
}

}  // namespace

void ReplayAnswer(const Generator::OnToken& on_token, Answer& answer) {
  if (!on_token) return;
  const size_t reasoned = Send(on_token, Channel::kReasoning, answer.reasoning);
  const size_t answered = reasoned < answer.reasoning.size() ? 0 : Send(on_token, Channel::kAnswer, answer.text);
  if (answered == answer.text.size()) return;
  answer.reasoning.resize(reasoned);
  answer.text.resize(answered);
  std::erase_if(answer.citations, [&answer](const Citation& citation) {
    return answer.text.find(StrCat("[", citation.marker, "]")) == std::string::npos;
  });
}

}  // namespace ragtime
