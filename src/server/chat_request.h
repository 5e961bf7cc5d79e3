// SPDX-License-Identifier: Apache-2.0
//
// What the bodies of requests mean: OpenAI's chat completion as a question to the knowledge base, and a search.
//
// Errors: kInvalidArgument names the field and what it may hold. What would change the answer and is not done is
// refused by name; what only shapes sampling (top_p, seed, penalties) is passed over.
#ifndef RAGTIME_SERVER_CHAT_REQUEST_H_
#define RAGTIME_SERVER_CHAT_REQUEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "ragtime/knowledge_base.h"

namespace ragtime {

struct ChatRequest {
  // The last message, its limits, its conversation and whose it is, and the "ragtime" object: filter, route, mode.
  AskRequest ask;
  std::string model;
  bool stream = false;
  bool include_usage = false;     // In a stream.
  std::vector<Warning> warnings;  // Messages that are not used.
};

// `session` is the header X-Session-Id, "" without one: it wins over metadata.session of the body.
Result<ChatRequest> ParseChatRequest(std::string_view body, std::string_view session = "");
// {"query", "top_k", "route", "filter"}
Result<SearchRequest> ParseSearchRequest(std::string_view body);

}  // namespace ragtime

#endif  // RAGTIME_SERVER_CHAT_REQUEST_H_
