// SPDX-License-Identifier: Apache-2.0
#include "model/llama/text_tokens.h"

namespace ragtime {
namespace {

constexpr size_t kTextBytesMin = 64;

}  // namespace

std::optional<std::vector<Token>> TextTokens::Find(std::string_view text) {
  if (text.size() < kTextBytesMin) return std::nullopt;
  std::lock_guard lock(mutex_);
  const std::vector<Token>* const tokens = by_text_.Find(text);
  if (tokens == nullptr) return std::nullopt;
  return *tokens;
}

void TextTokens::Keep(std::string_view text, const std::vector<Token>& tokens) {
  const size_t bytes = text.size() + tokens.size() * sizeof(Token);
  if (text.size() < kTextBytesMin || bytes > by_text_.cost_max()) return;
  std::lock_guard lock(mutex_);
  by_text_.Keep(text, tokens, bytes);
}

size_t TextTokens::bytes() const {
  std::lock_guard lock(mutex_);
  return by_text_.cost();
}

}  // namespace ragtime
