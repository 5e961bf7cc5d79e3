// SPDX-License-Identifier: Apache-2.0
#include "server/chat_reply.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "wire/schema.h"

namespace ragtime {
namespace {

Json UsageOf(const Answer& answer) {
  Json details(Json::Object{});
  details.Set("cached_tokens", static_cast<uint64_t>(answer.cached_tokens));
  Json usage(Json::Object{});
  usage.Set("prompt_tokens", static_cast<uint64_t>(answer.prompt_tokens))
      .Set("completion_tokens", static_cast<uint64_t>(answer.completion_tokens))
      .Set("total_tokens", static_cast<uint64_t>(answer.prompt_tokens + answer.completion_tokens))
      .Set("prompt_tokens_details", std::move(details));
  return usage;
}

const char* FinishReasonOf(const Answer& answer) {
  const bool truncated = std::any_of(answer.warnings.begin(), answer.warnings.end(),
                                     [](const Warning& warning) { return warning.code == "truncated"; });
  return truncated ? "length" : "stop";
}

// The fields that OpenAI's answers do not have.
void AddOwn(const Answer& answer, Json& reply) {
  const Json whole = AnswerJson(answer);
  reply.Set("citations", whole["citations"]);
  Json own(Json::Object{});
  for (const char* name : {"schema", "mode", "found", "timings_ms", "warnings"}) own.Set(name, whole[name]);
  if (whole.Has("standalone_question")) own.Set("standalone_question", whole["standalone_question"]);
  reply.Set("ragtime", std::move(own));
}

std::string EventOf(const Json& json) { return StrCat("data: ", json.Dump(), "\n\n"); }

Json ErrorObject(int http_code, const Status& status) {
  Json error(Json::Object{});
  std::string message = status.message();
  if (!status.remedy().empty()) message += "; " + status.remedy();
  error.Set("message", std::move(message))
      .Set("type", http_code == 429  ? "rate_limit_error"
                   : http_code < 500 ? "invalid_request_error"
                                     : "server_error")
      .Set("param", nullptr)
      .Set("code", StatusCodeName(status.code()))
      .Set("remedy", status.remedy());
  Json object(Json::Object{});
  object.Set("error", std::move(error));
  return object;
}

}  // namespace

Json ChatReply::Frame(std::string_view object) const {
  Json frame(Json::Object{});
  frame.Set("id", id).Set("object", object).Set("created", created_s).Set("model", model);
  return frame;
}

Json ChatReply::Completion(const Answer& answer) const {
  Json message(Json::Object{});
  message.Set("role", "assistant");
  if (is_json && !answer.found) {
    message.Set("content", nullptr).Set("refusal", answer.text);
  } else {
    message.Set("content", answer.text);
  }
  if (!answer.reasoning.empty()) message.Set("reasoning_content", answer.reasoning);
  Json choice(Json::Object{});
  choice.Set("index", 0).Set("message", std::move(message)).Set("logprobs", nullptr);
  choice.Set("finish_reason", FinishReasonOf(answer));
  Json reply = Frame("chat.completion");
  reply.Set("choices", Json::Array{std::move(choice)}).Set("usage", UsageOf(answer));
  AddOwn(answer, reply);
  return reply;
}

std::string ChatReply::DeltaEvent(Json delta, Json finish_reason, const Answer* answer) const {
  Json choice(Json::Object{});
  choice.Set("index", 0).Set("delta", std::move(delta)).Set("logprobs", nullptr);
  choice.Set("finish_reason", std::move(finish_reason));
  Json reply = Frame("chat.completion.chunk");
  reply.Set("choices", Json::Array{std::move(choice)});
  if (answer != nullptr) AddOwn(*answer, reply);
  return EventOf(reply);
}

std::string ChatReply::RoleEvent() const {
  Json delta(Json::Object{});
  delta.Set("role", "assistant").Set("content", "");
  return DeltaEvent(std::move(delta), nullptr, nullptr);
}

std::string ChatReply::PieceEvent(Channel channel, std::string_view text) const {
  Json delta(Json::Object{});
  delta.Set(channel == Channel::kAnswer ? "content" : "reasoning_content", text);
  return DeltaEvent(std::move(delta), nullptr, nullptr);
}

std::string ChatReply::LastEvent(const Answer& answer) const {
  Json delta(Json::Object{});
  if (is_json && !answer.found) delta.Set("refusal", answer.text);
  return DeltaEvent(std::move(delta), FinishReasonOf(answer), &answer);
}

std::string ChatReply::UsageEvent(const Answer& answer) const {
  Json reply = Frame("chat.completion.chunk");
  reply.Set("choices", Json(Json::Array{})).Set("usage", UsageOf(answer));
  return EventOf(reply);
}

std::string ErrorEvent(const Status& status) { return EventOf(ErrorObject(HttpCodeOf(status), status)); }

ServerReply ErrorReply(int http_code, const Status& status) {
  const int code = http_code != 0 ? http_code : HttpCodeOf(status);
  return {.code = code, .body = ErrorObject(code, status).Dump()};
}

int HttpCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
    case StatusCode::kFailedPrecondition:
      return 400;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted:
      return 409;
    case StatusCode::kCancelled:
      return 499;  // As nginx says it: the client has closed the request. Nobody reads it.
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace ragtime
