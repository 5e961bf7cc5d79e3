// SPDX-License-Identifier: Apache-2.0
//
// ChatFormat is what a model's chat template puts around the messages of a conversation, and how the model thinks.
//
// llama.cpp knows the usual templates by their marks and renders them without running them, so what a template does
// about thinking is read from its text.
#ifndef RAGTIME_MODEL_LLAMA_CHAT_FORMAT_H_
#define RAGTIME_MODEL_LLAMA_CHAT_FORMAT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/generator.h"
#include "ragtime/status.h"

namespace ragtime {

struct ChatFormat {
  std::vector<std::string> pieces;  // One more than messages: what stands before each, and behind the last.
  bool thinks = false;              // It is a reasoning model's.
  bool opens_think = false;         // Its last piece has written <think>, and the answer begins within.
};

// What closes thinking that has gone on for long enough.
inline constexpr std::string_view kCloseThink = "\n</think>\n\n";

// `chat_template` is the model's own; null or unknown: chatml. `may_think` false: a reasoning model is told that it has
// thought already.
Result<ChatFormat> FormatChat(const char* chat_template, std::span<const ChatMessage> messages, bool may_think);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_CHAT_FORMAT_H_
