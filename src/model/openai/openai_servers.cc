// SPDX-License-Identifier: Apache-2.0
#include "model/openai/openai_servers.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

#include "base/environment.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// A server that others can stand for must connect, and say something, so soon.
constexpr int64_t kProbeMs = 3000;

std::string KeyFromEnvironment(const std::string& name) {
  std::string key = EnvironmentVariable(name);
  std::erase_if(key, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  return key;
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

bool SaysTextIsTooLong(std::string_view body) {
  std::string lower(body);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto has = [&](std::string_view words) { return lower.find(words) != std::string::npos; };
  return has("context_length") || has("context length") || has("context size") || has("context window") ||
         has("prompt is too long") || has("exceeds the available context") || has("maximum input length") ||
         (has("input") && (has("too large to process") || has("too long")));
}

}  // namespace

Result<std::unique_ptr<OpenAiServers>> OpenAiServers::Create(OpenAiServerOptions options) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<std::string> urls,
                           ServerList::ParseUrls(options.base_url, options.section + ".base_url"));
  for (std::string& url : urls) {
    if (url.ends_with(options.endpoint)) url.resize(url.size() - options.endpoint.size());
  }
  if (options.model.empty()) {
    return InvalidArgumentError(StrCat(options.section, ".model is empty"),
                                StrCat("name the model as the server at ", options.section, ".base_url calls it"));
  }
  return std::unique_ptr<OpenAiServers>(new OpenAiServers(std::move(options), std::move(urls)));
}

OpenAiServers::OpenAiServers(OpenAiServerOptions options, std::vector<std::string> urls)
    : options_(std::move(options)), servers_(std::move(urls)), limit_(std::max<size_t>(1, options_.requests_max)) {}

std::string OpenAiServers::Key(std::string_view name) const { return StrCat(options_.section, ".", name); }

Status OpenAiServers::Call(const Context& context, std::string_view client, std::string body, const Send& send,
                           Course& course) {
  const Stopwatch queue;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.policy.timeout_ms);
  Context bounded = context;
  bounded.deadline = context.deadline ? std::min(*context.deadline, end) : end;
  const Result<RequestLimit::Place> place = limit_.Take(bounded, client);
  if (!place.ok()) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    return UnavailableError(StrCat("no request to the ", options_.role, " server ended within ",
                                   options_.policy.timeout_ms, " ms while ", options_.requests_max, " were under way"),
                            StrCat("raise ", Key("timeout_ms"), ", or ask for less at once"));
  }
  course.queue_ms = queue.ElapsedMs();
  const std::string key = KeyFromEnvironment(options_.api_key_env);
  HttpRequest request;
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream, application/json"}};
  if (!key.empty()) request.headers.emplace_back("Authorization", "Bearer " + key);
  request.body = std::move(body);
  CallPolicy policy = options_.policy;
  policy.timeout_ms = std::max<int64_t>(1, policy.timeout_ms - static_cast<int64_t>(course.queue_ms));
  RemoteCall call(context, policy);
  const Status status = call.Run([&](int64_t timeout_ms) {
    const Attempt attempt = Round(context, timeout_ms, request, key, send, course);
    return RemoteCall::Attempt{
        .status = attempt.status, .retry_after_ms = attempt.retry_after_ms, .final = attempt.final};
  });
  return status;
}

OpenAiServers::Attempt OpenAiServers::Round(const Context& context, int64_t timeout_ms, HttpRequest& request,
                                            std::string_view key, const Send& send, Course& course) {
  const Stopwatch stopwatch;
  const std::vector<size_t> order = servers_.Order();
  Attempt failure;
  // When the first of them wants to be asked again; nullopt where one has not said so.
  std::optional<int64_t> soonest_ms = INT64_MAX;
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t server = order[i];
    const int64_t left_ms = std::max<int64_t>(1, timeout_ms - static_cast<int64_t>(stopwatch.ElapsedMs()));
    Attempt attempt;
    if (servers_.size() > 1 && servers_.IsUnproven(server)) {
      attempt.status = Probe(context, server, key, std::min(kProbeMs, left_ms));
    }
    if (attempt.status.ok()) {
      request.url = servers_.url(server) + options_.endpoint;
      request.connect_timeout_ms = std::min(options_.policy.connect_timeout_ms, left_ms);
      // Its silence may use up no more than its share of the time: the others want some too.
      const auto share_ms = left_ms / static_cast<int64_t>(order.size() - i);
      request.idle_timeout_ms = std::min(options_.policy.idle_timeout_ms, order.size() == 1 ? INT64_MAX : share_ms);
      request.total_timeout_ms = left_ms;
      attempt = send(server, request, key);
    }
    if (attempt.status.ok()) {
      servers_.Answered(server);
      course.server = server;
      if (server != 0) {
        course.warning =
            StrCat(name(server), " answered in place of ", name(0),
                   failure.status.ok() ? ", which failed a short while ago" : StrCat(": ", failure.status.message()));
      }
      return attempt;
    }
    attempt.status = Explain(attempt.status, server);
    if (attempt.final || attempt.status.code() != StatusCode::kUnavailable) {
      attempt.final = true;
      return attempt;
    }
    servers_.Failed(server, attempt.retry_after_ms);
    if (soonest_ms && attempt.retry_after_ms) {
      soonest_ms = std::min(*soonest_ms, *attempt.retry_after_ms);
    } else {
      soonest_ms.reset();
    }
    failure = std::move(attempt);
    if (!context.Check().ok()) break;
  }
  failure.retry_after_ms = soonest_ms;
  return failure;
}

// Any answer will do: it is about whether somebody is there.
Status OpenAiServers::Probe(const Context& context, size_t server, std::string_view key, int64_t timeout_ms) {
  HttpRequest request;
  request.url = servers_.url(server) + "/models";
  if (!key.empty()) request.headers.emplace_back("Authorization", StrCat("Bearer ", key));
  request.connect_timeout_ms = timeout_ms;
  request.total_timeout_ms = timeout_ms;
  const Result<HttpResponse> answer = client_.Send(context, request);
  if (answer.ok()) {
    const bool is_down = answer->code == 502 || answer->code == 503 || answer->code == 504;
    return is_down ? UnavailableError(StrCat("the server is not ready: HTTP ", answer->code)) : Status();
  }
  if (answer.status().code() != StatusCode::kDeadlineExceeded || !context.Check().ok()) return answer.status();
  return UnavailableError(StrCat("the server has said nothing within ", timeout_ms, " ms"),
                          "look into the server's log");
}

Status OpenAiServers::Post(const Context& context, std::string body,
                           const std::function<Status(size_t server, const Json& answer)>& read, Course& course) {
  return Call(
      context, "", std::move(body),
      [&](size_t server, const HttpRequest& request, std::string_view key) -> Attempt {
        const Result<HttpResponse> response = client_.Send(context, request);
        if (!response.ok()) return {.status = response.status()};
        if (response->code != 200) return AttemptOfError(*response, response->body, key);
        const Result<Json> answer = Json::Parse(response->body);
        if (!answer.ok() || !answer->is_object()) {
          return {.status = FailedPreconditionError(
                      StrCat("what answers is no OpenAI-compatible server: its answer is no JSON object",
                             answer.ok() ? "" : ": ", answer.ok() ? "" : answer.status().message()),
                      StrCat("check ", Key("base_url"), "; it usually ends in /v1"))};
        }
        if (const Json& error = (*answer)["error"]; !error.is_null()) {
          HttpResponse head;
          head.code = static_cast<int>(std::clamp<int64_t>(error["code"].AsInt(500), 400, 599));
          return AttemptOfError(head, error.Dump(), key);
        }
        return {.status = read(server, *answer), .final = true};
      },
      course);
}

OpenAiServers::Attempt OpenAiServers::AttemptOfError(const HttpResponse& head, std::string_view body,
                                                     std::string_view key) const {
  Attempt attempt;
  attempt.status = StatusOfAnswer(head.code, head.Header("location"), body, key);
  attempt.retry_after_ms = ParseRetryAfter(head.Header("retry-after"), std::time(nullptr));
  attempt.final = attempt.status.code() == StatusCode::kResourceExhausted;
  return attempt;
}

Status OpenAiServers::StatusOfAnswer(int code, std::string_view location, std::string_view body,
                                     std::string_view key) const {
  const std::string http = StrCat("HTTP ", code);
  if (code == 401 || code == 403) {
    // The server's own words are left out: some quote a part of the key.
    const std::string& name = options_.api_key_env;
    if (key.empty()) {
      return PermissionDeniedError(
          StrCat("the server asks for a key and ", name.empty() ? Key("api_key_env") : name, " is not set: ", http),
          StrCat("export ", name.empty() ? "the variable" : name, "=<key>, or name another variable in ",
                 Key("api_key_env")));
    }
    return PermissionDeniedError(StrCat("the server refuses the key in ", name, ": ", http),
                                 StrCat("put a valid key into ", name));
  }
  const Result<Json> json = Json::Parse(body);
  std::string words = json.ok() ? ServersWords(*json, key) : "";
  if (!words.empty()) words = StrCat(", \"", words, "\"");
  if (code == 404) {
    return NotFoundError(StrCat("the server knows no model \"", options_.model, "\" or no such address: ", http, words),
                         StrCat("check ", Key("model"), " and ", Key("base_url"), "; the address usually ends in /v1"));
  }
  // llama-server says so with 500.
  if (code == 413 || (code != 429 && SaysTextIsTooLong(body))) {
    const bool is_prompt = options_.section == "llm";
    return ResourceExhaustedError(
        StrCat(is_prompt ? "the prompt does not fit the model's context: " : "a text is too long for the model: ", http,
               words),
        is_prompt ? "set llm.context_tokens to what the server allows, or lower answer.passages"
                  : StrCat("set ", Key("max_tokens"), " to what the server allows"));
  }
  if (code == 501) {
    return UnimplementedError(StrCat("the server does not do this: ", http, words),
                              StrCat("start it so that it does, or correct ", Key("base_url")));
  }
  if (StatusCodeOfHttp(code) == StatusCode::kUnavailable) {
    return UnavailableError(
        StrCat("the server ", code == 429 ? "is busy or its quota is used up" : "failed", ": ", http, words),
        "wait a while and ask again, or look into the server's log");
  }
  if (code >= 300 && code < 400) {
    return FailedPreconditionError(StrCat("the server redirects to ", UrlForMessages(location), ": ", http),
                                   StrCat("put the address it redirects to into ", Key("base_url")));
  }
  return InvalidArgumentError(StrCat("the server refuses the request: ", http, words),
                              StrCat("check ", Key("model"), " and the server's documentation"));
}

Status OpenAiServers::Explain(const Status& status, size_t server) const {
  if (status.code() == StatusCode::kCancelled) return status;
  const Status named = status.Annotate(StrCat(options_.role, " server ", name(server)));
  // The transport can only speak of "the address"; here its name in the configuration is known.
  if (status.remedy().find("the address") == std::string::npos ||
      status.remedy().find(options_.section + ".") != std::string::npos) {
    return named;
  }
  return Status(named.code(), named.message(), StrCat("start the server, or correct ", Key("base_url")));
}

}  // namespace ragtime
