// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <atomic>
#include <chrono>
#include <random>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "server/chat_reply.h"
#include "server/chat_request.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "wire/schema.h"

namespace ragtime {
namespace {

class KnowledgeServer final : public Server {
 public:
  KnowledgeServer(const ServerConfig& config, std::string model, KnowledgeBase& knowledge_base)
      : config_(config), model_(std::move(model)), knowledge_base_(knowledge_base) {}
  ~KnowledgeServer() override { http_.reset(); }  // Before what its handlers use.

  Status Listen() {
    HttpServerOptions options;
    options.port = config_.port;
    options.requests_max = config_.requests_max;
    options.body_bytes_max = config_.body_bytes_max;
    options.request_timeout_ms = config_.timeout_ms;
    options.error_reply = ErrorReply;
    options.on_answered = [this](const std::string& path, int code, double seconds) {
      metrics_.CountRequest(path, code, seconds);
    };
    std::vector<ServerRoute> routes;
    const auto quick = [&](const char* path, ServerReply (KnowledgeServer::*make)()) {
      routes.push_back(
          {"GET", path, true, [this, make](const ServerRequest&, ReplyWriter& reply) { reply.Send((this->*make)()); }});
    };
    quick("/healthz", &KnowledgeServer::Health);
    quick("/readyz", &KnowledgeServer::Readiness);
    quick("/metrics", &KnowledgeServer::Metrics);
    quick("/v1/models", &KnowledgeServer::Models);
    routes.push_back({"POST", "/v1/chat/completions", false,
                      [this](const ServerRequest& request, ReplyWriter& reply) { Chat(request, reply); }});
    routes.push_back({"POST", "/v1/search", false,
                      [this](const ServerRequest& request, ReplyWriter& reply) { reply.Send(Search(request)); }});
    RAGTIME_ASSIGN_OR_RETURN(http_, HttpServer::Start(std::move(options), std::move(routes)));
    // Handlers look at it too, and may come before the assignment.
    listening_ = http_.get();
    return Status();
  }

  uint16_t port() const override { return http_->port(); }
  Status Prepare(const Context& context) override {
    preparing_ = true;
    const Status status = knowledge_base_.Prepare(context);
    preparing_ = false;
    return status;
  }
  bool Drain() override { return http_->Drain(config_.drain_ms); }

 private:
  ServerReply Health() { return {.content_type = "text/plain", .body = "ok\n"}; }

  ServerReply Readiness() {
    const HttpServer* http = listening_;
    if (http == nullptr || http->draining()) return ErrorReply(503, UnavailableError("the server is going down"));
    if (preparing_) return ErrorReply(503, UnavailableError("the models are being loaded", "try again in a moment"));
    const Status status = knowledge_base_.Statistics().status();
    if (!status.ok()) return ErrorReply(503, status);
    return {.content_type = "text/plain", .body = "ready\n"};
  }

  ServerReply Metrics() {
    const HttpServer* http = listening_;
    return {.content_type = "text/plain; version=0.0.4",
            .body = metrics_.Print(knowledge_base_.GenerationStatistics(), knowledge_base_.ComputingThreads(),
                                   http ? http->requests_running() : 0)};
  }

  ServerReply Models() {
    Json model(Json::Object{});
    model.Set("id", model_).Set("object", "model").Set("created", started_s_).Set("owned_by", "ragtime");
    Json list(Json::Object{});
    list.Set("object", "list").Set("data", Json::Array{std::move(model)});
    return {.body = list.Dump()};
  }

  ServerReply Search(const ServerRequest& http_request) {
    Result<SearchRequest> request = ParseSearchRequest(http_request.body);
    if (!request.ok()) return ErrorReply(0, request.status());
    request->context = http_request.context;
    const Result<SearchResult> result = knowledge_base_.Search(*request);
    if (!result.ok()) return ErrorReply(0, result.status());
    return {.body = SearchJson(request->query, *result).Dump()};
  }

  void Chat(const ServerRequest& http_request, ReplyWriter& reply) {
    const Stopwatch stopwatch;
    Result<ChatRequest> parsed = ParseChatRequest(http_request.body, http_request.session);
    if (!parsed.ok()) return reply.Send(ErrorReply(0, parsed.status()));
    ChatRequest& request = *parsed;
    const ChatReply chat{NewId(), request.model.empty() ? model_ : request.model, NowSeconds(),
                         request.ask.json_schema.has_value()};
    double first_s = -1;
    bool begun = false;
    request.ask.context = http_request.context;
    request.ask.on_token = [&](Channel channel, std::string_view text) {
      if (first_s < 0) first_s = stopwatch.ElapsedMs() / 1000;
      if (!request.stream) return true;
      std::string events = begun ? "" : chat.RoleEvent();
      begun = true;
      return reply.Stream(events + chat.PieceEvent(channel, text));
    };
    Result<Answer> answer = knowledge_base_.Ask(request.ask);
    if (!answer.ok()) {
      // The head has been sent already, with 200; the error is the last event.
      if (begun) {
        reply.Stream(ErrorEvent(answer.status()));
      } else {
        reply.Send(ErrorReply(0, answer.status()));
      }
      return;
    }
    answer->warnings.insert(answer->warnings.end(), request.warnings.begin(), request.warnings.end());
    metrics_.CountAnswer(*answer, first_s);
    if (!request.stream) return reply.Send({.body = chat.Completion(*answer).Dump()});
    std::string events = begun ? "" : chat.RoleEvent();
    events += chat.LastEvent(*answer);
    if (request.include_usage) events += chat.UsageEvent(*answer);
    reply.Stream(events + kDoneEvent);
  }

  static int64_t NowSeconds() { return UnixTimeMs() / 1000; }
  std::string NewId() { return StrCat("chatcmpl-", id_prefix_, "-", ++answers_); }

  const ServerConfig config_;
  const std::string model_;
  KnowledgeBase& knowledge_base_;
  const int64_t started_s_ = NowSeconds();
  const uint32_t id_prefix_ = std::random_device()();  // Two runs of a server give no id twice.
  std::atomic<uint64_t> answers_ = 0;
  ServerMetrics metrics_;
  std::atomic<bool> preparing_ = false;
  std::atomic<const HttpServer*> listening_ = nullptr;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, std::string model,
                                              KnowledgeBase& knowledge_base) {
  auto server = std::make_unique<KnowledgeServer>(config, std::move(model), knowledge_base);
  RAGTIME_RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace ragtime
