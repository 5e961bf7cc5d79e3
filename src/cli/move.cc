// SPDX-License-Identifier: Apache-2.0
//
// `ragtime copy`, `import` and `reembed`: a knowledge base moves to another store, comes from another program, or
// changes its model.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "engine/store_address.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

unsigned long long Count(uint64_t value) { return value; }

void PrintCopy(const CopyReport& report) {
  std::printf("%s -> %s\n", report.from.c_str(), report.to.c_str());
  std::printf("%s copied with %s, %llu there already, %llu removed\n", Counted(report.files_copied, "file").c_str(),
              Counted(report.nodes_copied, "node").c_str(), Count(report.files_reused), Count(report.files_removed));
  std::printf("both sides hold %s, %s, checksum %s; %s in %s\n", Counted(report.files, "file").c_str(),
              Counted(report.nodes, "node").c_str(), report.checksum.c_str(),
              SizeInWords(report.store.size_bytes).c_str(), TimeInWords(report.timings_ms.at("total")).c_str());
}

void PrintImport(const ImportReport& report) {
  std::printf("%s with %s from %s, %llu there already\n", Counted(report.files_imported, "document").c_str(),
              Counted(report.nodes_imported, "passage").c_str(), report.from.c_str(), Count(report.files_reused));
  std::printf("%s made the vectors: %llu embedded again, cosine %.4f at least, %.4f in the middle\n",
              report.model.c_str(), Count(report.nodes_checked), report.cosine_min, report.cosine_median);
  std::string fields;
  for (const FieldSpec& spec : report.fields) {
    fields += (fields.empty() ? "" : ", ") + spec.name + ": " + std::string(FieldTypeName(spec.type));
  }
  std::printf("fields: %s\n", fields.empty() ? "none" : fields.c_str());
}

void PrintReembed(const ReembedReport& report) {
  std::printf("%s (%zu) -> %s (%zu): %s, %llu embedded in %s\n", report.model_before.c_str(), report.dimension_before,
              report.model.c_str(), report.dimension, Counted(report.nodes, "passage").c_str(),
              Count(report.nodes_embedded), TimeInWords(report.timings_ms.at("total")).c_str());
  if (report.recall) {
    std::printf("of %llu questions find their passage among the first 10: ", Count(report.questions));
    if (report.recall_before) std::printf("%.1f %% before, ", *report.recall_before * 100);
    std::printf("%.1f %% now\n", *report.recall * 100);
  }
  std::printf("ragtime reembed --undo goes back\n");
}

// "text=page_content" as {"text", "page_content"}.
Result<std::map<std::string, std::string>> ParseMap(const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> map;
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == pair.size()) {
      return InvalidArgumentError("--map is given \"" + pair + "\"",
                                  "write text=KEY, source=KEY, page=KEY or FIELD=KEY");
    }
    map[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return map;
}

}  // namespace

int RunImport(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  const auto map = ParseMap(options.import_map);
  if (!map.ok()) return Fail(options, map.status());
  Result<ImportReport> report = [&] {
    ProgressPrinter printer;
    return KnowledgeBase::Import(options.import_from, *config,
                                 {.context = context, .map = *map, .on_progress = [&](const IngestProgress& progress) {
                                    printer.Show(progress);
                                  }});
  }();
  return Show(options, report, ImportJson, PrintImport);
}

int RunReembed(const Options& options, const Context& context) {
  if (!options.model && !options.undo) {
    return Fail(options, InvalidArgumentError("no model is named", "add --model NAME, or --undo"));
  }
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  Result<ReembedReport> report = [&] {
    ProgressPrinter printer;
    const ReembedOptions reembed{.context = context,
                                 .force = options.force,
                                 .on_progress = [&](const IngestProgress& progress) { printer.Show(progress); }};
    return options.undo ? KnowledgeBase::UndoReembed(*config, reembed)
                        : KnowledgeBase::Reembed(*config, config->embed.model, reembed);
  }();
  return Show(options, report, ReembedJson, PrintReembed);
}

int RunCopy(const Options& options, const Context& context) {
  const auto base = ResolveConfig(options);
  if (!base.ok()) return Fail(options, base.status());
  const auto from = ResolveStoreAddress(options.copy_from, *base);
  if (!from.ok()) return Fail(options, from.status());
  const auto to = ResolveStoreAddress(options.copy_to, *base);
  if (!to.ok()) return Fail(options, to.status());
  Result<CopyReport> report = [&] {
    ProgressPrinter printer;
    return KnowledgeBase::Copy(*from, *to, {.context = context, .on_progress = [&](const IngestProgress& progress) {
                                              printer.Show(progress);
                                            }});
  }();
  return Show(options, report, CopyJson, PrintCopy);
}

}  // namespace ragtime::cli
