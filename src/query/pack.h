// SPDX-License-Identifier: Apache-2.0
//
// PackPrompt puts a question and numbered passages into the messages that a language model gets, within its context.
//
// Passages are data. Every line of them begins with "> ", which no text can undo; what looks like a marker of ours in
// them ("[3]") becomes "(3)", and what looks like a control token of a chat template ("<|") is broken up.
//
// Threads: may be called concurrently. The same input gives the same prompt, byte by byte.
#ifndef RAGTIME_QUERY_PACK_H_
#define RAGTIME_QUERY_PACK_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/passage.h"
#include "ragtime/generator.h"
#include "ragtime/status.h"

namespace ragtime {

struct PackRequest {
  std::string question;
  std::string language;  // Of the question, ISO 639-1; "zh" gets Chinese instructions, all others English ones.
  std::span<const SearchHit> hits;  // Best first.
  // Turns before this question, oldest first, "user" and "assistant" in turn. They take a fourth of the context at
  // most; the oldest are left out first. Their markers name other passages, and become "(3)".
  std::span<const ChatMessage> history;
  size_t passages_max = 5;
  size_t context_tokens = 4096;            // The prompt and the answer together; the model's own limit holds too.
  size_t answer_tokens = 256;              // Kept free for the answer.
  std::optional<std::string> json_schema;  // As GenerationRequest has it: the instructions then ask for JSON.
};

struct Packed {
  std::vector<ChatMessage> messages;  // system, the turns before, user
  std::vector<Passage> passages;      // As shown, numbered from 1; they point into PackRequest::hits.
  std::vector<Span> chunks;           // Passages in the last message, each without its number; see GenerationRequest.
  size_t prompt_tokens = 0;           // Counted, with an allowance for the chat template.
};

// The messages that every prompt in this language begins with.
std::vector<ChatMessage> PromptBeginning(std::string_view language);

// What was asked in a prompt of PackPrompt, given as text up to its end; "" if it is none. What had to be changed of
// the question, because it looked like a marker of ours, stays changed.
std::string_view QuestionOf(std::string_view prompt);

// A passage that does not fit is shortened to whole sentences around the one that shares most with the question, and
// is then the last. kResourceExhausted where not even one passage fits.
Result<Packed> PackPrompt(const PackRequest& request, const Generator& generator);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_PACK_H_
