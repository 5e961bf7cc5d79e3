// SPDX-License-Identifier: Apache-2.0
#include "model/answer_stream.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

void DropLeadingSpace(std::string& text) { text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size())); }

// The length of the longest end of `text` that `tag` begins with, short of the whole tag.
size_t PartialTagBytes(std::string_view text, std::string_view tag) {
  for (size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (text.ends_with(tag.substr(0, size))) return size;
  }
  return 0;
}

// The length of the character that `text` ends in the middle of; 0 if it ends with a whole one.
size_t PartialCharacterBytes(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t position = text.size() - back;
    const unsigned char byte = static_cast<unsigned char>(text[position]);
    if ((byte & 0xC0) == 0x80) continue;
    if (byte < 0xC0) return 0;
    const DecodedCharacter character = DecodeUtf8(text, position);
    // A prefix that more bytes could complete reaches to the end; one that is wrong already does not.
    return !character.valid && byte >= 0xC2 && byte <= 0xF4 && character.size_bytes == back ? back : 0;
  }
  return 0;
}

}  // namespace

bool AnswerStream::Feed(std::string_view bytes) {
  if (bytes.empty()) return wanted_;
  NoteToken();
  held_ += bytes;
  Advance(false);
  return wanted_;
}

bool AnswerStream::FeedReasoning(std::string_view bytes) {
  if (bytes.empty()) return wanted_;
  NoteToken();
  held_reasoning_ += bytes;
  GiveOut(Channel::kReasoning, held_reasoning_, held_reasoning_.size(), false);
  return wanted_;
}

GenerationResult AnswerStream::Finish(size_t completion_tokens) {
  GiveOut(Channel::kReasoning, held_reasoning_, held_reasoning_.size(), true);
  Advance(true);
  result_.completion_tokens = completion_tokens;
  if (completion_tokens > 1) {
    result_.tpot_ms = (last_token_ms_ - result_.ttft_ms) / static_cast<double>(completion_tokens - 1);
  }
  return std::move(result_);
}

void AnswerStream::NoteToken() {
  last_token_ms_ = stopwatch_.ElapsedMs();
  if (feeds_++ == 0) result_.ttft_ms = last_token_ms_;
}

void AnswerStream::Advance(bool at_end) {
  if (state_ == State::kStart) {
    DropLeadingSpace(held_);
    if (held_.starts_with(kOpen)) {
      held_.erase(0, kOpen.size());
      state_ = State::kReasoning;
    } else if (!at_end && kOpen.starts_with(held_)) {
      return;
    } else {
      state_ = State::kAnswer;
    }
  }
  if (state_ == State::kReasoning) {
    const size_t close = held_.find(kClose);
    if (close == std::string::npos) {
      const size_t partial = at_end ? 0 : PartialTagBytes(held_, kClose);
      return GiveOut(Channel::kReasoning, held_, held_.size() - partial, at_end);
    }
    std::string reasoning = held_.substr(0, close);
    held_.erase(0, close + kClose.size());
    GiveOut(Channel::kReasoning, reasoning, reasoning.size(), true);
    state_ = State::kAfterReasoning;
  }
  if (state_ == State::kAfterReasoning) {
    DropLeadingSpace(held_);
    if (held_.empty()) return;
    state_ = State::kAnswer;
  }
  GiveOut(Channel::kAnswer, held_, held_.size(), at_end);
}

// Gives out the first `size_bytes` of `held`, less a character that is not whole yet.
void AnswerStream::GiveOut(Channel channel, std::string& held, size_t size_bytes, bool at_end) {
  std::string& text = channel == Channel::kAnswer ? result_.text : result_.reasoning;
  if (channel == Channel::kReasoning && text.empty()) {
    const size_t before = held.size();
    std::string piece = held.substr(0, size_bytes);
    DropLeadingSpace(piece);
    held.replace(0, size_bytes, piece);
    size_bytes -= before - held.size();
  }
  if (!at_end) size_bytes -= PartialCharacterBytes(std::string_view(held).substr(0, size_bytes));
  if (size_bytes == 0) return;
  const std::string piece = ReplaceInvalidUtf8(std::string_view(held).substr(0, size_bytes));
  held.erase(0, size_bytes);
  if (!wanted_) return;
  text += piece;
  if (on_token_) wanted_ = on_token_(channel, piece);
}

}  // namespace ragtime
