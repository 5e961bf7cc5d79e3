// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/str_cat.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr int64_t kTokensMax = 1 << 20;
constexpr size_t kSessionBytesMax = 128;

Status Wrong(std::string_view field, const Json& value, std::string_view allowed) {
  std::string shown = value.Dump();
  if (shown.size() > 80) shown = shown.substr(0, 77) + "...";
  return InvalidArgumentError(StrCat(field, " is ", shown), StrCat("give ", allowed));
}

Status NotDone(std::string_view field, std::string_view remedy) {
  return InvalidArgumentError(StrCat(field, " is not supported"), std::string(remedy));
}

Result<Json> ParseObject(std::string_view body) {
  Result<Json> json = Json::Parse(body);
  if (!json.ok()) {
    return InvalidArgumentError(StrCat("the body is no JSON: ", json.status().message()), "send one JSON object");
  }
  if (!json->is_object()) return InvalidArgumentError("the body is no JSON object", "send one JSON object");
  return json;
}

// The value of a member that may be missing or null.
Status TakeText(const Json& json, std::string_view field, std::string_view name, std::string& out) {
  const Json& value = json[name];
  if (value.is_null()) return Status();
  if (!value.is_string()) return Wrong(field, value, "a string");
  out = value.AsString();
  return Status();
}

Status TakeFlag(const Json& json, std::string_view name, bool& out) {
  const Json& value = json[name];
  if (value.is_null()) return Status();
  if (!value.is_bool()) return Wrong(name, value, "true or false");
  out = value.AsBool();
  return Status();
}

Result<std::optional<size_t>> TakeCount(const Json& json, std::string_view name, int64_t most) {
  const Json& value = json[name];
  if (value.is_null()) return std::optional<size_t>();
  const double number = value.AsDouble(-1);
  if (!value.is_number() || number != std::floor(number) || number < 1 || number > static_cast<double>(most)) {
    return Wrong(name, value, StrCat("a whole number from 1 to ", most));
  }
  return std::optional<size_t>(static_cast<size_t>(number));
}

Result<std::optional<Route>> ParseRoute(const Json& json, std::string_view field) {
  std::string name;
  RAGTIME_RETURN_IF_ERROR(TakeText(json, field, "route", name));
  if (name.empty()) return std::optional<Route>();
  if (name == "hybrid") return std::optional<Route>(Route::kHybrid);
  if (name == "vector") return std::optional<Route>(Route::kVector);
  if (name == "keyword") return std::optional<Route>(Route::kKeyword);
  return Wrong(field, json["route"], "hybrid, vector or keyword");
}

Result<std::optional<AnswerMode>> ParseMode(const Json& json) {
  std::string name;
  RAGTIME_RETURN_IF_ERROR(TakeText(json, "ragtime.mode", "mode", name));
  if (name.empty()) return std::optional<AnswerMode>();
  if (name == "auto") return std::optional<AnswerMode>(AnswerMode::kAuto);
  if (name == "generate") return std::optional<AnswerMode>(AnswerMode::kGenerate);
  if (name == "extract") return std::optional<AnswerMode>(AnswerMode::kExtract);
  return Wrong("ragtime.mode", json["mode"], "auto, generate or extract");
}

// A message's text: a string, or a list of parts that are all text.
Result<std::string> ContentOf(const Json& message, const std::string& field) {
  const Json& content = message["content"];
  if (content.is_string()) return content.AsString();
  if (!content.is_array()) return Wrong(field + ".content", content, "a string or a list of text parts");
  std::string text;
  for (size_t i = 0; i < content.AsArray().size(); ++i) {
    const Json& part = content[i];
    const std::string name = StrCat(field, ".content[", i, "]");
    if (part["type"].AsString() != "text") return NotDone(name + " of another type than text", "send text only");
    if (!part["text"].is_string()) return Wrong(name + ".text", part["text"], "a string");
    text += part["text"].AsString();
  }
  return text;
}

Status TakeMessages(const Json& json, ChatRequest& request) {
  const Json& messages = json["messages"];
  if (!messages.is_array() || messages.AsArray().empty()) {
    return Wrong("messages", messages, "a list whose last item is {\"role\": \"user\", \"content\": \"...\"}");
  }
  bool has_system = false;
  bool has_history = false;
  const size_t count = messages.AsArray().size();
  for (size_t i = 0; i < count; ++i) {
    const std::string field = StrCat("messages[", i, "]");
    if (!messages[i].is_object()) return Wrong(field, messages[i], "an object with role and content");
    const std::string role = messages[i]["role"].AsString();
    const bool known = role == "system" || role == "developer" || role == "user" || role == "assistant";
    if (!known) return Wrong(field + ".role", messages[i]["role"], "system, developer, user or assistant");
    if (i + 1 < count) {
      (role == "system" || role == "developer" ? has_system : has_history) = true;
      continue;
    }
    if (role != "user") return Wrong(field + ".role", messages[i]["role"], "user: the last message is the question");
    RAGTIME_ASSIGN_OR_RETURN(request.ask.question, ContentOf(messages[i], field));
    if (request.ask.question.find_first_not_of(" \t\r\n") == std::string::npos) {
      return Wrong(field + ".content", messages[i]["content"], "a question");
    }
  }
  if (has_system) {
    request.warnings.push_back({"system_message", std::nullopt,
                                "the system message was not used: the instructions are those of a cited answer; put "
                                "what matters into the question"});
  }
  if (has_history) {
    const bool continued = !request.ask.session.empty();
    request.warnings.push_back({"history", std::nullopt,
                                continued ? "earlier messages were not used: the conversation is the one that is kept"
                                          : "earlier messages were not used: each question is looked up by itself; ask "
                                            "it so that it can be understood alone, or name a session"});
  }
  return Status();
}

Status TakeSession(const Json& json, std::string_view header, ChatRequest& request) {
  const Json& metadata = json["metadata"];
  if (!metadata.is_null() && !metadata.is_object()) return Wrong("metadata", metadata, "an object of strings");
  RAGTIME_RETURN_IF_ERROR(TakeText(metadata, "metadata.session", "session", request.ask.session));
  if (!header.empty()) request.ask.session = header;
  request.ask.owner = request.ask.client;
  const std::string& session = request.ask.session;
  const bool plain = std::all_of(session.begin(), session.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (session.size() <= kSessionBytesMax && plain) return Status();
  return Wrong(header.empty() ? "metadata.session" : "X-Session-Id", session,
               StrCat("at most ", kSessionBytesMax, " letters, digits and signs of ASCII"));
}

// What would give another answer than the one asked for.
Status RefuseWhatIsNotDone(const Json& json) {
  for (const char* field : {"tools", "functions"}) {
    if (!json[field].is_null() && !json[field].AsArray().empty()) return NotDone(field, "leave it out");
  }
  if (!json["n"].is_null() && json["n"].AsDouble() != 1) return Wrong("n", json["n"], "1, or leave it out");
  if (json["logprobs"].AsBool()) return NotDone("logprobs", "leave it out");
  const Json& stop = json["stop"];
  if (!stop.is_null() && !(stop.is_array() && stop.AsArray().empty())) return NotDone("stop", "leave it out");
  return Status();
}

Status TakeFormat(const Json& json, AskRequest& request) {
  const Json& format = json["response_format"];
  if (format.is_null()) return Status();
  const std::string type = format["type"].AsString();
  if (type == "text") return Status();
  if (type == "json_object") {
    request.json_schema = "";
    return Status();
  }
  if (type != "json_schema") return Wrong("response_format.type", format["type"], "text, json_object or json_schema");
  const Json& schema = format["json_schema"]["schema"];
  if (!schema.is_object() || schema.AsObject().empty()) {
    return Wrong("response_format.json_schema.schema", schema, "a JSON schema");
  }
  request.json_schema = schema.Dump();
  return Status();
}

}  // namespace

Result<ChatRequest> ParseChatRequest(std::string_view body, std::string_view session) {
  RAGTIME_ASSIGN_OR_RETURN(const Json json, ParseObject(body));
  ChatRequest request;
  RAGTIME_RETURN_IF_ERROR(TakeText(json, "user", "user", request.ask.client));
  RAGTIME_RETURN_IF_ERROR(TakeSession(json, session, request));
  RAGTIME_RETURN_IF_ERROR(TakeMessages(json, request));
  RAGTIME_RETURN_IF_ERROR(RefuseWhatIsNotDone(json));
  RAGTIME_RETURN_IF_ERROR(TakeFormat(json, request.ask));
  RAGTIME_RETURN_IF_ERROR(TakeText(json, "model", "model", request.model));
  RAGTIME_RETURN_IF_ERROR(TakeFlag(json, "stream", request.stream));
  RAGTIME_RETURN_IF_ERROR(TakeFlag(json["stream_options"], "include_usage", request.include_usage));
  RAGTIME_ASSIGN_OR_RETURN(request.ask.max_tokens, TakeCount(json, "max_tokens", kTokensMax));
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> newer, TakeCount(json, "max_completion_tokens", kTokensMax));
  if (newer) request.ask.max_tokens = newer;
  if (const Json& temperature = json["temperature"]; !temperature.is_null()) {
    const double value = temperature.AsDouble(-1);
    if (!temperature.is_number() || !(value >= 0 && value <= 2)) {
      return Wrong("temperature", temperature, "a number from 0 to 2");
    }
    request.ask.temperature = static_cast<float>(value);
  }
  const Json& own = json["ragtime"];
  if (!own.is_null() && !own.is_object()) return Wrong("ragtime", own, "an object with filter, route, mode");
  RAGTIME_RETURN_IF_ERROR(TakeText(own, "ragtime.filter", "filter", request.ask.filter));
  RAGTIME_ASSIGN_OR_RETURN(request.ask.route, ParseRoute(own, "ragtime.route"));
  RAGTIME_ASSIGN_OR_RETURN(request.ask.mode, ParseMode(own));
  return request;
}

Result<SearchRequest> ParseSearchRequest(std::string_view body) {
  RAGTIME_ASSIGN_OR_RETURN(const Json json, ParseObject(body));
  SearchRequest request;
  RAGTIME_RETURN_IF_ERROR(TakeText(json, "query", "query", request.query));
  if (request.query.find_first_not_of(" \t\r\n") == std::string::npos) {
    return InvalidArgumentError("there is no query", "give what to look for as query");
  }
  RAGTIME_ASSIGN_OR_RETURN(request.top_k, TakeCount(json, "top_k", 1000));
  RAGTIME_ASSIGN_OR_RETURN(request.route, ParseRoute(json, "route"));
  RAGTIME_RETURN_IF_ERROR(TakeText(json, "filter", "filter", request.filter));
  return request;
}

}  // namespace ragtime
