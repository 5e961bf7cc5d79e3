// SPDX-License-Identifier: Apache-2.0
#include "server/load.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <thread>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/sse_parser.h"

namespace ragtime {
namespace {

// What one request gave.
struct Answer {
  std::string error;  // "": a whole answer.
  double first_ms = 0;
  double total_ms = 0;
  uint64_t pieces = 0;
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t completion_tokens = 0;
};

std::string BodyOf(const LoadOptions& options, const std::string& question) {
  Json message(Json::Object{});
  message.Set("role", "user").Set("content", question);
  Json usage(Json::Object{});
  usage.Set("include_usage", true);
  Json body(Json::Object{});
  if (!options.model.empty()) body.Set("model", options.model);
  body.Set("messages", Json(Json::Array{std::move(message)})).Set("stream", true);
  body.Set("stream_options", std::move(usage)).Set("temperature", 0);
  return body.Set("max_tokens", uint64_t{options.max_tokens}).Dump();
}

class AnswerReader {
 public:
  explicit AnswerReader(Answer& answer) : answer_(answer) {}

  void Take(const SseEvent& event) {
    if (event.data == "[DONE]") {
      done_ = true;
      return;
    }
    const Result<Json> parsed = Json::Parse(event.data);
    if (!parsed.ok()) {
      answer_.error = StrCat("an event is no JSON: ", parsed.status().message());
      return;
    }
    const Json& json = *parsed;
    if (json.Has("error")) answer_.error = json["error"]["message"].AsString("an error without a message");
    const Json& delta = json["choices"][size_t{0}]["delta"];
    if (!delta["content"].AsString().empty() || !delta["reasoning_content"].AsString().empty()) {
      if (answer_.pieces++ == 0) answer_.first_ms = watch_.ElapsedMs();
    }
    const Json& usage = json["usage"];
    if (!usage.is_object()) return;
    answer_.prompt_tokens = static_cast<uint64_t>(usage["prompt_tokens"].AsInt());
    answer_.completion_tokens = static_cast<uint64_t>(usage["completion_tokens"].AsInt());
    answer_.cached_tokens = static_cast<uint64_t>(usage["prompt_tokens_details"]["cached_tokens"].AsInt());
  }

  void Finish() {
    answer_.total_ms = watch_.ElapsedMs();
    if (!answer_.error.empty()) return;
    if (!done_) answer_.error = "the stream ended before [DONE]";
    if (done_ && answer_.pieces == 0) answer_.error = "the answer is empty";
    if (answer_.completion_tokens == 0) answer_.completion_tokens = answer_.pieces;
  }

 private:
  Answer& answer_;
  const Stopwatch watch_;
  bool done_ = false;
};

Answer Ask(HttpClient& client, const Context& context, const LoadOptions& options, const std::string& question) {
  HttpRequest request;
  request.method = "POST";
  request.url = options.base_url + "/chat/completions";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
  if (!options.api_key.empty()) request.headers.emplace_back("Authorization", "Bearer " + options.api_key);
  request.body = BodyOf(options, question);
  request.total_timeout_ms = options.timeout_ms;
  Answer answer;
  AnswerReader reader(answer);
  SseParser parser([&reader](const SseEvent& event) { reader.Take(event); });
  std::string refusal;
  Status fed;
  const auto on_body = [&](const HttpResponse& head, std::string_view bytes) {
    if (head.code >= 300) {
      constexpr size_t kRefusalBytesMax = 4096;
      refusal += bytes.substr(0, kRefusalBytesMax - std::min(kRefusalBytesMax, refusal.size()));
      return true;
    }
    fed = parser.Feed(bytes);
    return fed.ok();
  };
  const Result<HttpResponse> response = client.Send(context, request, on_body);
  if (!response.ok()) {
    answer.error = response.status().message();
  } else if (response->code >= 300) {
    const Result<Json> json = Json::Parse(refusal);
    answer.error =
        StrCat("HTTP ", response->code, ": ", json.ok() ? (*json)["error"]["message"].AsString(refusal) : refusal);
  } else if (!fed.ok()) {
    answer.error = fed.message();
  } else {
    parser.Finish();
  }
  reader.Finish();
  return answer;
}

}  // namespace

Result<LoadReport> RunLoad(const Context& context, const LoadOptions& options,
                           const std::vector<std::string>& questions) {
  if (questions.empty() || options.users == 0) return InvalidArgumentError("there is no question to ask");
  HttpClient client;
  std::vector<Answer> answers(questions.size());
  std::atomic<size_t> next = 0;
  const Stopwatch watch;
  {
    std::vector<std::jthread> users;
    for (size_t i = 0; i < std::min(options.users, questions.size()); ++i) {
      users.emplace_back([&] {
        for (size_t at = next++; at < questions.size() && context.Check().ok(); at = next++) {
          answers[at] = Ask(client, context, options, questions[at]);
        }
      });
    }
  }
  const double seconds = watch.ElapsedMs() / 1000;
  RAGTIME_RETURN_IF_ERROR(context.Check());
  LoadReport report{.users = options.users, .requests = questions.size()};
  std::vector<double> firsts;
  std::vector<double> per_token;
  for (const Answer& answer : answers) {
    if (!answer.error.empty()) {
      if (report.failed++ == 0) report.first_error = answer.error;
      continue;
    }
    firsts.push_back(answer.first_ms);
    if (answer.completion_tokens > 1) {
      per_token.push_back((answer.total_ms - answer.first_ms) / static_cast<double>(answer.completion_tokens - 1));
    }
    report.prompt_tokens += answer.prompt_tokens;
    report.cached_tokens += answer.cached_tokens;
    report.completion_tokens += answer.completion_tokens;
  }
  report.ttft_p50_ms = Median(firsts);
  report.ttft_p95_ms = Quantile(firsts, 0.95);
  report.tpot_p50_ms = Median(per_token);
  report.tokens_per_s = static_cast<double>(report.completion_tokens) / seconds;
  report.requests_per_s = static_cast<double>(report.requests - report.failed) / seconds;
  return report;
}

std::vector<std::string> DrawQuestions(const std::vector<std::string>& questions, size_t count, uint64_t seed) {
  if (questions.empty()) return {};
  std::vector<double> reached;  // Cumulated weights.
  double sum = 0;
  for (size_t rank = 1; rank <= questions.size(); ++rank) reached.push_back(sum += 1 / static_cast<double>(rank));
  std::mt19937_64 random(seed);
  std::vector<std::string> drawn;
  for (size_t i = 0; i < count; ++i) {
    // By hand: the standard's distributions differ between libraries.
    const double at = static_cast<double>(random() >> 11) * 0x1.0p-53 * sum;
    const auto found = std::upper_bound(reached.begin(), reached.end() - 1, at);
    drawn.push_back(questions[static_cast<size_t>(found - reached.begin())]);
  }
  return drawn;
}

}  // namespace ragtime
