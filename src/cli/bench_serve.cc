// SPDX-License-Identifier: Apache-2.0
//
// `ragtime bench serve`: how soon and how fast a server answers some users at once, as a table, JSON and a plot.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/environment.h"
#include "cli/options.h"
#include "cli/svg_plot.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/version.h"
#include "server/load.h"
#include "server/server.h"
#include "wire/field_json.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

constexpr uint64_t kSeed = 1;
constexpr size_t kQuestionsMade = 20;

// The first words of passages, asked about.
Result<std::vector<std::string>> MakeQuestions(KnowledgeBase& knowledge_base) {
  RAGTIME_ASSIGN_OR_RETURN(
      const TableResult nodes,
      knowledge_base.Query({.from = TableSource::kNodes, .select = {"text"}, .limit = kQuestionsMade}));
  std::vector<std::string> questions;
  for (const auto& row : nodes.rows) {
    const std::string text = FieldValueToJson(row[0]).AsString();
    size_t end = 0;
    for (size_t words = 0; words < 12 && end != std::string::npos; ++words) end = text.find(' ', end + 1);
    questions.push_back("What is said about this: " + text.substr(0, std::min<size_t>(end, 200)));
  }
  if (questions.empty()) {
    return FailedPreconditionError("the knowledge base is empty", "ingest documents first, or give --questions");
  }
  return questions;
}

// A server of this process over a knowledge base, on a port that the system gives.
struct OwnServer {
  std::unique_ptr<KnowledgeBase> knowledge_base;
  std::unique_ptr<Server> server;
};

Result<OwnServer> StartServer(const Options& options) {
  RAGTIME_ASSIGN_OR_RETURN(Config config, ResolveKnowledgeBase(options));
  config.server.port = 0;
  config.server.requests_max = std::max(config.server.requests_max, options.bench.users.back());
  // Whole answers are not kept: it is the model that is measured. A model is wanted even where it is known not to cite.
  config.cache.type = "none";
  config.answer.mode = AnswerMode::kGenerate;
  if (config.llm.kv_tokens == 0) config.llm.kv_tokens = kContextsAtOnce * config.llm.context_tokens;
  OwnServer own;
  RAGTIME_ASSIGN_OR_RETURN(own.knowledge_base, KnowledgeBase::Open(config, /*must_exist=*/true));
  RAGTIME_ASSIGN_OR_RETURN(own.server, Server::Start(config.server, config.llm.model, *own.knowledge_base));
  return own;
}

Json RowJson(const LoadReport& row) {
  Json json(Json::Object{});
  json.Set("users", uint64_t{row.users}).Set("requests", uint64_t{row.requests}).Set("failed", uint64_t{row.failed});
  json.Set("ttft_p50_ms", row.ttft_p50_ms).Set("ttft_p95_ms", row.ttft_p95_ms).Set("tpot_p50_ms", row.tpot_p50_ms);
  json.Set("tokens_per_s", row.tokens_per_s).Set("requests_per_s", row.requests_per_s);
  json.Set("prompt_tokens", row.prompt_tokens).Set("cached_tokens", row.cached_tokens);
  return std::move(json.Set("completion_tokens", row.completion_tokens).Set("first_error", row.first_error));
}

void PrintRow(const LoadReport& row) {
  const double cached = row.prompt_tokens == 0
                            ? 0
                            : 100 * static_cast<double>(row.cached_tokens) / static_cast<double>(row.prompt_tokens);
  std::printf("| %5zu | %11.0f | %11.0f | %11.1f | %8.1f | %10.2f | %6zu | %5.0f %% |\n", row.users, row.ttft_p50_ms,
              row.ttft_p95_ms, row.tpot_p50_ms, row.tokens_per_s, row.requests_per_s, row.failed, cached);
  std::fflush(stdout);
}

std::vector<PlotPanel> PanelsOf(const std::vector<LoadReport>& rows) {
  const auto line = [&rows](const char* name, double LoadReport::* field) {
    PlotLine drawn{.name = name};
    for (const LoadReport& row : rows) drawn.points.emplace_back(static_cast<double>(row.users), row.*field);
    return drawn;
  };
  return {{"Time to the first token",
           "users at once",
           "ms",
           {line("p50", &LoadReport::ttft_p50_ms), line("p95", &LoadReport::ttft_p95_ms)}},
          {"Time of each further token", "users at once", "ms", {line("p50", &LoadReport::tpot_p50_ms)}},
          {"Throughput", "users at once", "tokens/s", {line("all users", &LoadReport::tokens_per_s)}}};
}

}  // namespace

int RunBenchServe(const Options& given, const Context& context) {
  Options options = given;
  BenchOptions& bench = options.bench;
  std::sort(bench.users.begin(), bench.users.end());
  if (bench.url.empty() == options.kb.empty() && (bench.url.empty() ? options.config_file.empty() : true)) {
    return Fail(options, InvalidArgumentError("bench serve measures one server",
                                              "give either --url http://HOST:PORT/v1 or --kb DIR"));
  }
  if (!bench.plot.empty()) {
    if (const Status status = CheckPlotName(bench.plot); !status.ok()) return Fail(options, status);
  }
  OwnServer own;
  if (bench.url.empty()) {
    auto started = StartServer(options);
    if (!started.ok()) return Fail(options, started.status());
    own = *std::move(started);
    bench.url = "http://127.0.0.1:" + std::to_string(own.server->port()) + "/v1";
  }
  Result<std::vector<std::string>> questions =
      !bench.questions.empty() ? ReadQuestions(bench.questions)
      : own.knowledge_base     ? MakeQuestions(*own.knowledge_base)
                               : InvalidArgumentError("there are no questions", "give --questions FILE, one a line");
  if (!questions.ok()) return Fail(options, questions.status());
  LoadOptions load{.base_url = bench.url, .model = bench.model, .users = 1, .max_tokens = 1};
  load.api_key = EnvironmentVariable(bench.api_key_env);
  // Loads the model, and tells a dead server before the table begins.
  const auto first = RunLoad(context, load, {"Is the model loaded?"});
  if (!first.ok()) return Fail(options, first.status());
  if (first->failed > 0) {
    return Fail(options, UnavailableError("the server gave no answer: " + first->first_error,
                                          "check that it runs, and --model and --api-key-env"));
  }
  load.max_tokens = bench.max_tokens;
  const std::vector<std::string> drawn = DrawQuestions(*questions, bench.requests, kSeed);
  if (!options.json) {
    std::printf("%s: %zu requests a row, drawn from %zu questions by Zipf's law, %zu tokens at most\n\n",
                bench.url.c_str(), drawn.size(), questions->size(), bench.max_tokens);
    std::printf("| users | TTFT p50 ms | TTFT p95 ms | TPOT p50 ms | tokens/s | requests/s | failed | cached  |\n");
    std::printf("|-------|-------------|-------------|-------------|----------|------------|--------|---------|\n");
  }
  std::vector<LoadReport> rows;
  std::string error;
  for (const size_t users : bench.users) {
    load.users = users;
    auto row = RunLoad(context, load, drawn);
    if (!row.ok()) return Fail(options, row.status());
    if (error.empty()) error = row->first_error;
    if (!options.json) PrintRow(*row);
    rows.push_back(*std::move(row));
  }
  if (!bench.plot.empty()) {
    if (const Status status = WritePlots(bench.plot, PanelsOf(rows)); !status.ok()) return Fail(options, status);
  }
  if (options.json) {
    Json list(Json::Array{});
    for (const LoadReport& row : rows) list.Append(RowJson(row));
    Json json(Json::Object{});
    json.Set("schema", kJsonSchema).Set("url", bench.url).Set("questions", uint64_t{questions->size()});
    std::printf("%s\n", json.Set("max_tokens", uint64_t{bench.max_tokens}).Set("rows", std::move(list)).Dump().c_str());
  }
  if (!error.empty()) std::fprintf(stderr, "ragtime: some requests failed; the first: %s\n", error.c_str());
  return error.empty() ? 0 : 1;
}

}  // namespace ragtime::cli
