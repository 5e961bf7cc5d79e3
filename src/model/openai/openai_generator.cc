// SPDX-License-Identifier: Apache-2.0
#include "model/openai/openai_generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/str_cat.h"
#include "model/answer_stream.h"
#include "model/openai/completion_stream.h"
#include "model/openai/token_estimate.h"
#include "wire/json.h"

namespace ragtime {
namespace {

// Each server has a name of its own for it, and passes over the others'. Where nothing is said, nothing is sent: some
// refuse what they do not know.
void SayHowLongToThink(size_t tokens, Json& body) {
  Json of_template;
  of_template.Set("enable_thinking", tokens > 0);  // Qwen3's and others'.
  if (tokens > 0) {
    of_template.Set("thinking_budget", tokens);
    body.Set("thinking_budget_tokens", tokens);  // llama-server.
    body.Set("thinking_token_budget", tokens);   // vLLM.
  }
  body.Set("chat_template_kwargs", std::move(of_template));
}

// A schema is the caller's, checked before.
Json ResponseFormat(const std::string& schema) {
  if (schema.empty()) return std::move(Json().Set("type", "json_object"));
  Json described;
  described.Set("name", "answer").Set("strict", true).Set("schema", *Json::Parse(schema));
  return std::move(Json().Set("type", "json_schema").Set("json_schema", std::move(described)));
}

std::string RequestBody(const std::string& model, const GenerationRequest& request) {
  Json messages{Json::Array()};
  for (const ChatMessage& message : request.messages) {
    messages.Append(Json().Set("role", message.role).Set("content", message.content));
  }
  Json body;
  body.Set("model", model)
      .Set("messages", std::move(messages))
      .Set("max_tokens", request.max_tokens + request.thinking_tokens.value_or(0));
  // Rounded, so that 0.7f is not spelled 0.699999988079071.
  body.Set("temperature", std::round(static_cast<double>(request.temperature) * 1e4) / 1e4);
  body.Set("stream", true).Set("stream_options", Json().Set("include_usage", true));
  if (request.json_schema) body.Set("response_format", ResponseFormat(*request.json_schema));
  if (request.thinking_tokens) SayHowLongToThink(*request.thinking_tokens, body);
  return body.Dump();
}

}  // namespace

Result<std::unique_ptr<OpenAiGenerator>> OpenAiGenerator::Create(OpenAiGeneratorOptions options) {
  RAGTIME_ASSIGN_OR_RETURN(auto servers,
                           OpenAiServers::Create({.section = "llm",
                                                  .role = "language model",
                                                  .endpoint = "/chat/completions",
                                                  .base_url = options.base_url,
                                                  .model = options.model,
                                                  .api_key_env = options.api_key_env,
                                                  .requests_max = options.requests_max,
                                                  .policy = {.timeout_ms = options.timeout_ms,
                                                             .connect_timeout_ms = options.connect_timeout_ms,
                                                             .idle_timeout_ms = options.idle_timeout_ms,
                                                             .retry = options.retry}}));
  return std::unique_ptr<OpenAiGenerator>(new OpenAiGenerator(std::move(options), std::move(servers)));
}

OpenAiGenerator::OpenAiGenerator(OpenAiGeneratorOptions options, std::unique_ptr<OpenAiServers> servers)
    : options_(std::move(options)), servers_(std::move(servers)) {
  info_.model = options_.model;
  info_.context_tokens = options_.context_tokens;
}

size_t OpenAiGenerator::CountTokens(std::string_view text) const { return EstimateTokens(text); }

Result<GenerationResult> OpenAiGenerator::Generate(const Context& context, const GenerationRequest& request,
                                                   const OnToken& on_token) {
  if (request.json_schema && !request.json_schema->empty()) {
    if (const Status schema = Json::Parse(*request.json_schema).status(); !schema.ok()) {
      return InvalidArgumentError(StrCat("the JSON schema is no JSON: ", schema.message()), "correct the schema");
    }
  }
  AnswerStream answer(on_token);  // Outside of the attempts: times count from the call.
  if (options_.template_opens_think) answer.StartInReasoning();
  std::unique_ptr<CompletionStream> stream;
  OpenAiServers::Course course;
  RAGTIME_RETURN_IF_ERROR(servers_->Call(
      context, request.client, RequestBody(options_.model, request),
      [&](size_t, const HttpRequest& sent, std::string_view key) {
        OpenAiServers::Attempt attempt = Try(context, sent, key, answer, stream);
        // After the first token a second attempt, here or elsewhere, would say everything twice.
        attempt.final = attempt.final || answer.feeds() > 0;
        return attempt;
      },
      course));
  GenerationResult result = answer.Finish(stream->completion_tokens().value_or(answer.feeds()));
  result.truncated = stream->truncated();
  result.cached_tokens = stream->cached_tokens();
  result.queue_ms = course.queue_ms;
  if (!course.warning.empty()) result.warnings.push_back(std::move(course.warning));
  size_t estimate = 0;
  for (const ChatMessage& message : request.messages) estimate += CountTokens(message.content);
  result.prompt_tokens = stream->prompt_tokens().value_or(estimate);
  return result;
}

GeneratorStatistics OpenAiGenerator::statistics() const {
  return {.requests_waiting = servers_->requests_waiting(), .requests_running = servers_->requests_running()};
}

OpenAiServers::Attempt OpenAiGenerator::Try(const Context& context, const HttpRequest& http, std::string_view key,
                                            AnswerStream& answer, std::unique_ptr<CompletionStream>& stream) {
  OpenAiServers::Attempt attempt;
  stream.reset();
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
  const Result<HttpResponse> response = servers_->client().Send(context, http, on_body);
  if (!response.ok()) {
    // An answer that was complete when the connection broke is an answer.
    if (!stream || !stream->complete()) attempt.status = response.status();
  } else if (response->code != 200) {
    return servers_->AttemptOfError(*response, error_body, key);
  } else {
    if (!stream) stream = std::make_unique<CompletionStream>(false, answer);
    attempt.status = stream->Finish();
  }
  if (attempt.status.ok() && stream->failure()) {
    HttpResponse head;
    head.code = static_cast<int>(std::clamp<int64_t>((*stream->failure())["code"].AsInt(500), 400, 599));
    return servers_->AttemptOfError(head, stream->failure()->Dump(), key);
  }
  return attempt;
}

}  // namespace ragtime
