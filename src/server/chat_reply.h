// SPDX-License-Identifier: Apache-2.0
//
// Answers in the words of OpenAI's chat completions: whole, in pieces, and as errors. Citations and what else an answer
// has stand in fields that OpenAI's clients pass over: "citations" and "ragtime".
#ifndef RAGTIME_SERVER_CHAT_REPLY_H_
#define RAGTIME_SERVER_CHAT_REPLY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "ragtime/knowledge_base.h"
#include "server/http_server.h"
#include "wire/json.h"

namespace ragtime {

// What all pieces of one completion have in common.
struct ChatReply {
  std::string id;  // "chatcmpl-..."
  std::string model;
  int64_t created_s = 0;
  bool is_json = false;  // The answer is JSON; that nothing was found is told as a refusal then.

  Json Completion(const Answer& answer) const;
  // Events of a stream, ready to be sent.
  std::string RoleEvent() const;
  std::string PieceEvent(Channel channel, std::string_view text) const;
  std::string LastEvent(const Answer& answer) const;
  std::string UsageEvent(const Answer& answer) const;

 private:
  Json Frame(std::string_view object) const;
  std::string DeltaEvent(Json delta, Json finish_reason, const Answer* answer) const;
};

inline constexpr char kDoneEvent[] = "data: [DONE]\n\n";
std::string ErrorEvent(const Status& status);

// {"error": {"message", "type", "param", "code", "remedy"}}; `http_code` 0: the one that fits the status.
ServerReply ErrorReply(int http_code, const Status& status);
int HttpCodeOf(const Status& status);

}  // namespace ragtime

#endif  // RAGTIME_SERVER_CHAT_REPLY_H_
