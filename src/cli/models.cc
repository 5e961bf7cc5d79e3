// SPDX-License-Identifier: Apache-2.0
//
// `ragtime models list`, `show`, `add`, `quantize`, `compare` and `tune`.
#include "ragtime/models.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "cli/options.h"
#include "cli/show.h"
#include "cli/svg_plot.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/version.h"
#include "wire/field_json.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

Json ModelJson(const ModelRecord& model) {
  Json json(Json::Object{});
  json.Set("name", model.name).Set("kind", model.kind).Set("architecture", model.architecture).Set("type", model.type);
  json.Set("context_tokens", model.context_tokens).Set("size_bytes", model.size_bytes).Set("sha256", model.sha256);
  return std::move(json.Set("path", model.path.string()));
}

// What every printed object begins with.
Json Printed() { return std::move(Json(Json::Object{}).Set("schema", kJsonSchema)); }

Json ModelReport(const ModelRecord& model) { return std::move(Printed().Set("model", ModelJson(model))); }

void PrintModel(const ModelRecord& model) {
  std::printf("%s\n  %s, %s %s, %llu tokens, %s\n  %s\n", model.name.c_str(), model.kind.c_str(),
              model.architecture.c_str(), model.type.empty() ? "of mixed types" : model.type.c_str(),
              static_cast<unsigned long long>(model.context_tokens), SizeInWords(model.size_bytes).c_str(),
              model.path.c_str());
  if (!model.sha256.empty()) std::printf("  SHA-256 %s\n", model.sha256.c_str());
}

// The user's own words: a file, or the passages of a knowledge base.
Result<std::string> TextOf(const Options& options, const std::string& file, size_t tokens) {
  if (!file.empty()) return ReadFile(file, uint64_t{1} << 30);
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) {
    return InvalidArgumentError("there is no text to compare on", "give --text FILE, or --kb DIR with your documents");
  }
  RAGTIME_ASSIGN_OR_RETURN(const auto knowledge_base, KnowledgeBase::Open(*config, /*must_exist=*/true));
  const size_t bytes_wanted = 16 * tokens;  // More than any language needs.
  std::string text;
  constexpr size_t kRows = 500;
  for (size_t offset = 0; text.size() < bytes_wanted; offset += kRows) {
    RAGTIME_ASSIGN_OR_RETURN(
        const TableResult nodes,
        knowledge_base->Query({.from = TableSource::kNodes, .select = {"text"}, .limit = kRows, .offset = offset}));
    for (const auto& row : nodes.rows) text += FieldValueToJson(row[0]).AsString() + "\n\n";
    if (nodes.rows.size() < kRows) break;
  }
  return text;
}

Json ComparisonJson(const ModelComparison& comparison) {
  Json json(Json::Object{});
  json.Set("model", ModelJson(comparison.model)).Set("prefill_tokens_per_s", comparison.prefill_tokens_per_s);
  json.Set("decode_tokens_per_s", comparison.decode_tokens_per_s).Set("memory_bytes", comparison.memory_bytes);
  json.Set("text_tokens", comparison.text_tokens).Set("perplexity", comparison.perplexity);
  json.Set("kl_mean", comparison.kl_mean).Set("kl_p99", comparison.kl_p99);
  return std::move(json.Set("agreement", comparison.agreement));
}

Json ComparisonsJson(const std::vector<ModelComparison>& comparisons) {
  Json list(Json::Array{});
  for (const ModelComparison& comparison : comparisons) list.Append(ComparisonJson(comparison));
  return std::move(Printed().Set("models", std::move(list)));
}

void PrintComparisons(const std::vector<ModelComparison>& comparisons) {
  size_t width = 5;
  for (const ModelComparison& row : comparisons) width = std::max(width, row.model.name.size());
  const int names = static_cast<int>(width);
  std::printf(
      "| %-*s | type   | file       | memory     | prefill/s | decode/s | perplexity | KL mean  | KL p99   | same |\n",
      names, "model");
  std::printf(
      "|-%s-|--------|------------|------------|-----------|----------|------------|----------|----------|------|\n",
      std::string(width, '-').c_str());
  for (const ModelComparison& row : comparisons) {
    std::printf("| %-*s | %-6s | %10s | %10s | %9.0f | %8.1f | %10.3f | %8.5f | %8.4f | %3.0f%% |\n", names,
                row.model.name.c_str(), row.model.type.c_str(), SizeInWords(row.model.size_bytes).c_str(),
                SizeInWords(row.memory_bytes).c_str(), row.prefill_tokens_per_s, row.decode_tokens_per_s,
                row.perplexity, row.kl_mean, row.kl_p99, 100 * row.agreement);
  }
  std::printf(
      "\n%llu tokens of the text were foretold. KL: nats by which the next token's distribution differs from the\n"
      "original's; same: how often the most likely token is the same. Tokens/s are those of one user.\n",
      static_cast<unsigned long long>(comparisons.front().text_tokens));
}

Json TuningJson(const ModelTuning& tuning) {
  Json speeds(Json::Array{});
  for (const ModelTuning::Speed& row : tuning.speeds) {
    speeds.Append(std::move(Json(Json::Object{})
                                .Set("threads", uint64_t{row.threads})
                                .Set("read_tokens_per_s", row.read_tokens_per_s)
                                .Set("write_tokens_per_s", row.write_tokens_per_s)));
  }
  Json batches(Json::Array{});
  for (const ModelTuning::Batch& row : tuning.batches) {
    batches.Append(std::move(
        Json(Json::Object{}).Set("tokens", uint64_t{row.tokens}).Set("read_tokens_per_s", row.read_tokens_per_s)));
  }
  Json json = Printed();
  json.Set("model", ModelJson(tuning.model)).Set("cores", uint64_t{tuning.cores}).Set("speeds", std::move(speeds));
  json.Set("batches", std::move(batches)).Set("f16_tokens_per_s", tuning.f16_tokens_per_s);
  json.Set("q8_0_tokens_per_s", tuning.q8_0_tokens_per_s).Set("threads", uint64_t{tuning.threads});
  json.Set("read_threads", uint64_t{tuning.read_threads}).Set("batch_tokens", uint64_t{tuning.batch_tokens});
  return std::move(json.Set("record", tuning.record.string()));
}

void PrintTuning(const ModelTuning& tuning) {
  std::printf("| threads | reads tokens/s | writes tokens/s |\n|---------|----------------|-----------------|\n");
  for (const ModelTuning::Speed& row : tuning.speeds) {
    std::printf("| %7zu | %14.0f | %15.1f |\n", row.threads, row.read_tokens_per_s, row.write_tokens_per_s);
  }
  std::printf("\n| batch | reads tokens/s |\n|-------|----------------|\n");
  for (const ModelTuning::Batch& row : tuning.batches) {
    std::printf("| %5zu | %14.0f |\n", row.tokens, row.read_tokens_per_s);
  }
  std::printf("\nkeys and values as f16: %.1f tokens/s written, as q8_0: %.1f (llm.kv_type chooses)\n",
              tuning.f16_tokens_per_s, tuning.q8_0_tokens_per_s);
  std::printf("%s writes with %zu threads and reads with %zu, in batches of %zu, from now on; kept in %s\n",
              tuning.model.name.c_str(), tuning.threads, tuning.read_threads, tuning.batch_tokens,
              tuning.record.c_str());
}

std::vector<PlotPanel> PanelsOf(const std::vector<ModelComparison>& comparisons) {
  PlotPanel exactness{.title = "Exactness by size", .x_label = "file, MiB", .y_label = "KL, nats"};
  PlotPanel perplexity{.title = "Perplexity by size", .x_label = "file, MiB", .y_label = "perplexity"};
  PlotPanel memory{.title = "Memory by size", .x_label = "file, MiB", .y_label = "MiB"};
  PlotPanel speed{.title = "Writing speed by size", .x_label = "file, MiB", .y_label = "tokens/s"};
  for (const ModelComparison& row : comparisons) {
    const double size = static_cast<double>(row.model.size_bytes >> 20);
    exactness.lines.push_back({row.model.name, {{size, row.kl_mean}}});
    perplexity.lines.push_back({row.model.name, {{size, row.perplexity}}});
    speed.lines.push_back({row.model.name, {{size, row.decode_tokens_per_s}}});
    memory.lines.push_back({row.model.name, {{size, static_cast<double>(row.memory_bytes >> 20)}}});
  }
  return {exactness, perplexity, speed, memory};
}

}  // namespace

int RunModelsList(const Options& options) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  const std::vector<ModelRecord> models = ListModels(*config);
  if (options.json) {
    Json list(Json::Array{});
    for (const ModelRecord& model : models) list.Append(ModelJson(model));
    PrintJson(Printed().Set("models", std::move(list)));
    return 0;
  }
  for (const ModelRecord& model : models) PrintModel(model);
  if (models.empty()) std::fprintf(stderr, "no models; run tools/setup.sh, or ragtime models add FILE.gguf\n");
  return 0;
}

int RunModelsShow(const Options& options) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  return Show(options, ShowModel(*config, options.models.name), ModelReport, PrintModel);
}

int RunModelsAdd(const Options& options, const Context&) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  const ModelsOptions& models = options.models;
  const auto added =
      AddModel(*config, {.source = models.name, .name = models.as, .sha256 = models.sha256, .link = models.link});
  return Show(options, added, ModelReport, PrintModel);
}

int RunModelsQuantize(const Options& options, const Context& context) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  ImportanceText importance{.tokens_max = options.models.importance_tokens, .context = context};
  if (const std::string& named = options.models.importance; !named.empty()) {
    const bool is_text = std::filesystem::is_regular_file(named) && !named.ends_with(".ragmap");
    Options asked = options;
    if (!is_text) asked.kb = named;
    auto text = TextOf(asked, is_text ? named : "", importance.tokens_max);
    if (!text.ok()) return Fail(options, text.status());
    if (text->empty()) {
      return Fail(options, InvalidArgumentError(named + " holds no text", "ingest documents first, or name a text"));
    }
    importance.text = *std::move(text);
  }
  const auto report = QuantizeModel(*config, options.models.name, options.models.type, options.models.as, importance);
  if (!report.ok()) return Fail(options, report.status());
  if (report->requantized) {
    std::fprintf(stderr, "warning: %s is %s already; a model made from F16 or BF16 is more exact\n",
                 report->from.name.c_str(), report->from.type.c_str());
  }
  if (options.json) {
    Json json = Printed();
    json.Set("from", ModelJson(report->from)).Set("to", ModelJson(report->to));
    json.Set("requantized", report->requantized);
    PrintJson(json.Set("importance_tokens", uint64_t{report->importance_tokens}));
  } else {
    PrintModel(report->to);
    if (report->importance_tokens > 0) {
      std::printf("  weighed by reading %zu tokens of your texts\n", report->importance_tokens);
    }
    std::printf("  made of %s, %s\n  see: ragtime models compare %s %s\n", report->from.name.c_str(),
                SizeInWords(report->from.size_bytes).c_str(), report->from.name.c_str(), report->to.name.c_str());
  }
  return 0;
}

int RunModelsCompare(const Options& options, const Context& context) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  if (!options.models.plot.empty()) {
    if (const Status status = CheckPlotName(options.models.plot); !status.ok()) return Fail(options, status);
  }
  const auto text = TextOf(options, options.models.text, options.models.tokens);
  if (!text.ok()) return Fail(options, text.status());
  std::vector<std::string> models = {options.models.name};
  models.insert(models.end(), options.models.others.begin(), options.models.others.end());
  const auto comparisons = CompareModels(*config, models, *text, options.models.tokens, context);
  if (!comparisons.ok()) return Fail(options, comparisons.status());
  if (!options.models.plot.empty()) {
    const Status written = WritePlots(options.models.plot, PanelsOf(*comparisons));
    if (!written.ok()) return Fail(options, written);
  }
  return Show(options, comparisons, ComparisonsJson, PrintComparisons);
}

int RunModelsTune(const Options& options, const Context& context) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  if (options.models.name.empty() && config->llm.api != "local") {
    return Fail(options, InvalidArgumentError("llm.api is " + config->llm.api + ": there is no model of this process",
                                              "name a model, or set llm: {api: local}"));
  }
  const auto tuning =
      TuneModel(*config, options.models.name.empty() ? config->llm.model : options.models.name, context);
  const int code = Show(options, tuning, TuningJson, PrintTuning);
  if (tuning.ok() && config->threads != 0) {
    std::fprintf(stderr, "warning: threads is %zu in the configuration and comes first; set threads: 0\n",
                 config->threads);
  }
  return code;
}

}  // namespace ragtime::cli
