// SPDX-License-Identifier: Apache-2.0
//
// A Conversation is what was asked and answered before, and what a question that leans on it means by itself.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_CONVERSATION_H_
#define RAGTIME_QUERY_CONVERSATION_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/generator.h"

namespace ragtime {

struct Turn {
  std::string question;
  std::string standalone;  // The question as it was searched for.
  std::string answer;
};

struct Conversation {
  std::vector<Turn> turns;  // Oldest first.
};

// Whether a question leans on the one before:
// - it begins with "and", "but", "what about", "那", "还有" ...,
// - it has one informative word at most ("Why?", "how long?", "多少钱？"), or
// - it holds a pronoun ("it", "they", "它", "这个" ...) and few informative words beside.
bool LeansOnTheOneBefore(std::string_view question);

// For such a question the one before, as it was searched for, and then the question itself; else "": it stands alone.
std::string StandaloneQuestion(std::string_view question, const Conversation& conversation);

// The turns for PackRequest::history.
std::vector<ChatMessage> MessagesOf(const Conversation& conversation);

// Leaves the last turns: at most `turns_max`, of at most `bytes_max` in all. A turn that is too long by itself keeps
// the beginning of its answer.
void CutConversation(size_t turns_max, size_t bytes_max, Conversation& conversation);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_CONVERSATION_H_
