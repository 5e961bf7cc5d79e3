// SPDX-License-Identifier: Apache-2.0
#include "request_targets.h"

#include <cstdlib>

#include "server/chat_reply.h"
#include "server/chat_request.h"

namespace ragtime {
namespace {

void CheckRefusal(const Status& status) {
  if (status.code() != StatusCode::kInvalidArgument) std::abort();
  if (status.message().empty() || status.remedy().empty()) std::abort();
  // What is said about it is itself well-formed.
  if (!Json::Parse(ErrorReply(0, status).body).ok()) std::abort();
}

}  // namespace

bool UseAsChatRequest(std::string_view body) {
  const Result<ChatRequest> request = ParseChatRequest(body);
  if (!request.ok()) {
    CheckRefusal(request.status());
    return false;
  }
  const AskRequest& ask = request->ask;
  if (ask.question.empty() || !(ask.temperature >= 0 && ask.temperature <= 2)) std::abort();
  if (ask.max_tokens && *ask.max_tokens == 0) std::abort();
  return true;
}

bool UseAsSearchRequest(std::string_view body) {
  const Result<SearchRequest> request = ParseSearchRequest(body);
  if (!request.ok()) {
    CheckRefusal(request.status());
    return false;
  }
  if (request->query.empty() || (request->top_k && (*request->top_k == 0 || *request->top_k > 1000))) std::abort();
  return true;
}

}  // namespace ragtime
