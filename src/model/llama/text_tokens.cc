// SPDX-License-Identifier: Apache-2.0
#include "model/llama/text_tokens.h"

namespace ragtime {
namespace {

constexpr size_t kTextBytesMin = 64;

}  // namespace

std::optional<std::vector<Token>> TextTokens::Find(std::string_view text) {
  if (text.size() < kTextBytesMin) return std::nullopt;
  std::lock_guard lock(mutex_);
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void TextTokens::Keep(std::string_view text, const std::vector<Token>& tokens) {
  Entry entry(text, tokens);
  const size_t bytes = BytesOf(entry);
  if (text.size() < kTextBytesMin || bytes > bytes_max_) return;
  std::lock_guard lock(mutex_);
  if (by_text_.contains(text)) return;
  entries_.push_front(std::move(entry));
  by_text_[entries_.front().first] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > bytes_max_) {
    bytes_ -= BytesOf(entries_.back());
    by_text_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

size_t TextTokens::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace ragtime
