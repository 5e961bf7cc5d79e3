// SPDX-License-Identifier: Apache-2.0
#include "model/openai/openai_generator.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/str_cat.h"
#include "model/answer_stream.h"
#include "model/openai/completion_stream.h"
#include "text/utf8.h"
#include "wire/json.h"
#include "wire/remote_call.h"

namespace ragtime {
namespace {

std::string KeyFromEnvironment(const std::string& name) {
  const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
  std::string key = value == nullptr ? "" : value;
  std::erase_if(key, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  return key;
}

std::string RequestBody(const std::string& model, const GenerationRequest& request) {
  Json messages{Json::Array()};
  for (const ChatMessage& message : request.messages) {
    messages.Append(Json().Set("role", message.role).Set("content", message.content));
  }
  Json body;
  body.Set("model", model).Set("messages", std::move(messages)).Set("max_tokens", request.max_tokens);
  // Rounded, so that 0.7f is not spelled 0.699999988079071.
  body.Set("temperature", std::round(static_cast<double>(request.temperature) * 1e4) / 1e4);
  body.Set("stream", true).Set("stream_options", Json().Set("include_usage", true));
  return body.Dump();
}

// The words of a server's error, fit for one line of a message: short, valid, and without the key.
std::string ServersWords(const Json& error, std::string_view key) {
  std::string words;
  for (const Json* candidate :
       {&error["message"], &error["error"]["message"], &error["error"], &error["detail"], &error}) {
    if (candidate->is_string()) {
      words = candidate->AsString();
      break;
    }
  }
  constexpr std::string_view kMask = "***";
  for (size_t at = 0; !key.empty() && (at = words.find(key, at)) != std::string::npos; at += kMask.size()) {
    words.replace(at, key.size(), kMask);
  }
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  words = ReplaceInvalidUtf8(words);
  constexpr size_t kBytesMax = 300;
  if (words.size() > kBytesMax) words = words.substr(0, CharacterStart(words, kBytesMax)) + " ...";
  return words;
}

bool SaysPromptIsTooLong(std::string_view body) {
  std::string lower(body);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto has = [&](std::string_view words) { return lower.find(words) != std::string::npos; };
  return has("context_length") || has("context length") || has("context size") || has("context window") ||
         has("prompt is too long") || has("exceeds the available context");
}

}  // namespace

Result<std::unique_ptr<OpenAiGenerator>> OpenAiGenerator::Create(OpenAiGeneratorOptions options) {
  std::string& url = options.base_url;
  while (url.ends_with('/')) url.pop_back();
  constexpr std::string_view kEndpoint = "/chat/completions";
  if (url.ends_with(kEndpoint)) url.resize(url.size() - kEndpoint.size());
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return InvalidArgumentError(StrCat("llm.base_url is no http or https address: \"", UrlForMessages(url), "\""),
                                "write it like http://127.0.0.1:8000/v1");
  }
  if (options.model.empty()) {
    return InvalidArgumentError("llm.model is empty", "name the model as the server at llm.base_url calls it");
  }
  return std::unique_ptr<OpenAiGenerator>(new OpenAiGenerator(std::move(options)));
}

OpenAiGenerator::OpenAiGenerator(OpenAiGeneratorOptions options) : options_(std::move(options)) {
  info_.model = options_.model;
  info_.context_tokens = options_.context_tokens;
}

size_t OpenAiGenerator::CountTokens(std::string_view text) const {
  // Byte-pair tokenizers take 4 to 5 letters of an English word a token; 3 leaves room for names and code. Digits and
  // marks are counted one by one, and a CJK character as one and a half: large vocabularies take less than one.
  size_t halves = 0;
  size_t letters = 0;
  const auto end_word = [&] {
    halves += 2 * ((letters + 2) / 3);
    letters = 0;
  };
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    i += character.size_bytes;
    const char32_t c = character.code_point;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      ++letters;
      continue;
    }
    end_word();
    if (c == ' ') continue;
    halves += c < 0x800 ? 2 : c < 0x10000 ? 3 : 6;
  }
  end_word();
  return (halves + 1) / 2;
}

Result<GenerationResult> OpenAiGenerator::Generate(const Context& context, const GenerationRequest& request,
                                                   const OnToken& on_token) {
  const std::string key = KeyFromEnvironment(options_.api_key_env);
  HttpRequest http;
  http.method = "POST";
  http.url = options_.base_url + "/chat/completions";
  http.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream, application/json"}};
  if (!key.empty()) http.headers.emplace_back("Authorization", "Bearer " + key);
  http.body = RequestBody(options_.model, request);
  const CallPolicy policy{.timeout_ms = options_.timeout_ms,
                          .connect_timeout_ms = options_.connect_timeout_ms,
                          .idle_timeout_ms = options_.idle_timeout_ms,
                          .retry = options_.retry};
  RemoteCall call(context, policy);
  AnswerStream answer(on_token);  // Outside of the attempts: times count from the call.
  if (options_.template_opens_think) answer.StartInReasoning();
  std::unique_ptr<CompletionStream> stream;
  const Status status = call.Run(http, [&](const HttpRequest& sent) {
    Attempt attempt = Try(context, sent, key, answer);
    stream = std::move(attempt.stream);
    // After the first token a second attempt would say everything twice.
    return RemoteCall::Attempt{.status = attempt.status,
                               .retry_after_ms = attempt.retry_after_ms,
                               .final = attempt.final || answer.feeds() > 0};
  });
  if (!status.ok()) return Explain(status);
  GenerationResult result = answer.Finish(stream->completion_tokens().value_or(answer.feeds()));
  result.truncated = stream->truncated();
  result.cached_tokens = stream->cached_tokens();
  size_t estimate = 0;
  for (const ChatMessage& message : request.messages) estimate += CountTokens(message.content);
  result.prompt_tokens = stream->prompt_tokens().value_or(estimate);
  return result;
}

OpenAiGenerator::Attempt OpenAiGenerator::Try(const Context& context, const HttpRequest& http, std::string_view key,
                                              AnswerStream& answer) {
  Attempt attempt;
  std::unique_ptr<CompletionStream>& stream = attempt.stream;
  std::string error_body;
  const auto on_body = [&](const HttpResponse& head, std::string_view bytes) {
    if (head.code != 200) {
      constexpr size_t kErrorBytesMax = 64 << 10;
      error_body += bytes.substr(0, kErrorBytesMax - std::min(error_body.size(), kErrorBytesMax));
      return error_body.size() < kErrorBytesMax;
    }
    if (!stream) {
      const bool is_event_stream = head.Header("content-type").starts_with("text/event-stream");
      stream = std::make_unique<CompletionStream>(is_event_stream, answer);
    }
    return stream->Feed(bytes);
  };
  const Result<HttpResponse> response = client_.Send(context, http, on_body);
  if (!response.ok()) {
    // An answer that was complete when the connection broke is an answer.
    if (!stream || !stream->complete()) attempt.status = response.status();
  } else if (response->code != 200) {
    attempt.status = StatusOfAnswer(response->code, response->Header("location"), error_body, key);
    attempt.retry_after_ms = ParseRetryAfter(response->Header("retry-after"), std::time(nullptr));
    attempt.final = attempt.status.code() == StatusCode::kResourceExhausted;
  } else {
    if (!stream) stream = std::make_unique<CompletionStream>(false, answer);
    attempt.status = stream->Finish();
  }
  if (attempt.status.ok() && stream->failure()) {
    const std::string body = stream->failure()->Dump();
    attempt.final = SaysPromptIsTooLong(body);
    const int64_t code = (*stream->failure())["code"].AsInt(attempt.final ? 400 : 500);
    attempt.status = StatusOfAnswer(static_cast<int>(std::clamp<int64_t>(code, 400, 599)), "", body, key);
  }
  return attempt;
}

// What an HTTP code other than 200 means here.
Status OpenAiGenerator::StatusOfAnswer(int code, std::string_view location, std::string_view body,
                                       std::string_view key) const {
  const std::string http = StrCat("HTTP ", code);
  if (code == 401 || code == 403) {
    // The server's own words are left out: some quote a part of the key.
    const std::string& name = options_.api_key_env;
    if (key.empty()) {
      return PermissionDeniedError(
          StrCat("the server asks for a key and ", name.empty() ? "llm.api_key_env" : name, " is not set: ", http),
          StrCat("export ", name.empty() ? "the variable" : name, "=<key>, or name another ",
                 "variable in llm.api_key_env"));
    }
    return PermissionDeniedError(StrCat("the server refuses the key in ", name, ": ", http),
                                 StrCat("put a valid key into ", name));
  }
  const Result<Json> json = Json::Parse(body);
  std::string words = json.ok() ? ServersWords(*json, key) : "";
  if (!words.empty()) words = StrCat(", \"", words, "\"");
  if (code == 404) {
    return NotFoundError(StrCat("the server knows no model \"", options_.model, "\" or no such address: ", http, words),
                         "check llm.model and llm.base_url; the address usually ends in /v1");
  }
  if (code == 413 || ((code == 400 || code == 422) && SaysPromptIsTooLong(body))) {
    return ResourceExhaustedError(StrCat("the prompt does not fit the model's context: ", http, words),
                                  "set llm.context_tokens to what the server allows, or lower answer.passages");
  }
  if (code == 501 || StatusCodeOfHttp(code) == StatusCode::kUnavailable) {
    return UnavailableError(
        StrCat("the server ", code == 429 ? "is busy or its quota is used up" : "failed", ": ", http, words),
        "wait a while and ask again, or look into the server's log");
  }
  if (code >= 300 && code < 400) {
    return FailedPreconditionError(StrCat("the server redirects to ", UrlForMessages(location), ": ", http),
                                   "put the address it redirects to into llm.base_url");
  }
  return InvalidArgumentError(StrCat("the server refuses the request: ", http, words),
                              "check llm.model and the server's documentation");
}

Status OpenAiGenerator::Explain(const Status& status) const {
  if (status.code() == StatusCode::kCancelled) return status;
  const Status named = status.Annotate(StrCat("language model server ", UrlForMessages(options_.base_url)));
  // The transport can only speak of "the address"; here its name in the configuration is known.
  if (status.remedy().find("the address") == std::string::npos || status.remedy().find("llm.") != std::string::npos) {
    return named;
  }
  return Status(named.code(), named.message(), "start the server, or correct llm.base_url");
}

}  // namespace ragtime
