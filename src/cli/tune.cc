// SPDX-License-Identifier: Apache-2.0
//
// `ragtime tune`: how much of what is nearest a search shall find.
#include <cstdio>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

void Print(const TuneReport& report) {
  std::printf("    ef   recall   a search\n");
  for (const TunePoint& point : report.points) {
    std::printf("%6u   %6.4f   %s\n", point.ef, point.recall, TimeInWords(point.mean_us / 1e3).c_str());
  }
  std::printf("  scan   1.0000   %s\n", TimeInWords(report.scan_us / 1e3).c_str());
  const VectorTuning& chosen = report.tuning;
  std::printf("ef %u finds %.4f of the nearest %zu nodes, measured with %zu questions over %llu nodes; recorded\n",
              chosen.ef, chosen.recall, chosen.depth, chosen.questions, static_cast<unsigned long long>(chosen.nodes));
}

}  // namespace

int RunTune(const Options& options, const Context& context) {
  if (options.tune_kv) return RunTuneJoins(options, context);
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  TuneOptions tuning{.context = context, .recall = options.recall, .questions = {}};
  if (!options.questions_file.empty()) {
    auto questions = ReadQuestions(options.questions_file);
    if (!questions.ok()) return Fail(options, questions.status());
    tuning.questions = *std::move(questions);
  }
  auto knowledge_base = KnowledgeBase::Open(*config, /*must_exist=*/true);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  return Show(options, (*knowledge_base)->Tune(tuning), TuneJson, Print);
}

}  // namespace ragtime::cli
