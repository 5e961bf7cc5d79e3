// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "cli/options.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/version.h"
#include "server/server.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

void PrintStart(const Options& options, const Config& config, uint16_t port) {
  if (options.json) {
    Json event(Json::Object{});
    event.Set("schema", kJsonSchema).Set("event", "listening").Set("host", "127.0.0.1");
    event.Set("port", static_cast<int64_t>(port)).Set("kb", config.store.uri);
    std::printf("%s\n", event.Dump().c_str());
    std::fflush(stdout);
  }
  std::fprintf(stderr, "ragtime: %s at http://127.0.0.1:%u/v1; Ctrl-C ends it\n", config.store.uri.c_str(), port);
}

}  // namespace

int RunServe(const Options& options, const Context& context) {
  auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  if (options.port) config->server.port = *options.port;
  if (config->llm.kv_tokens == 0) config->llm.kv_tokens = kContextsAtOnce * config->llm.context_tokens;
  auto knowledge_base = KnowledgeBase::Open(*config, /*must_exist=*/true);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  const std::string model = config->llm.api == "none" ? "extract" : config->llm.model;
  auto server = Server::Start(config->server, model, **knowledge_base);
  if (!server.ok()) return Fail(options, server.status());
  std::fprintf(stderr, "ragtime: loading the models\n");
  if (const Status status = (*server)->Prepare(context); !status.ok() && !context.Check().ok()) {
    return Fail(options, status);
  } else if (!status.ok()) {
    // Answers go without what is missing, and say so.
    std::fprintf(stderr, "ragtime: %s; %s\n", status.message().c_str(), status.remedy().c_str());
  }
  PrintStart(options, *config, (*server)->port());

  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, context.stop, [] { return false; });
  const bool clean = (*server)->Drain();
  std::fprintf(stderr, clean ? "ragtime: ended\n" : "ragtime: ended; requests that took too long were cut off\n");
  return 0;
}

}  // namespace ragtime::cli
