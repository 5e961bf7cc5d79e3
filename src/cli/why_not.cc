// SPDX-License-Identifier: Apache-2.0
//
// ragtime why-not: where a file was lost on the way to the hits of a question, in words or as JSON.
#include <cstdio>

#include "cli/options.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

void PrintReport(const WhyNotReport& report) {
  std::printf("%s\n", report.message.c_str());
  if (!report.remedy.empty()) std::printf("  remedy: %s\n", report.remedy.c_str());
  for (const WhyNotRoute& route : report.routes) {
    std::printf("  %s: ", route.name.c_str());
    if (!route.rank) {
      std::printf("%s\n", route.state == "failed" ? "failed" : "no match");
      continue;
    }
    std::printf("rank %zu of %zu returned, score %.4f%s\n", *route.rank, route.depth, *route.score,
                route.state == "cut_off"        ? ", cut off"
                : route.state == "beyond_top_k" ? ", beyond them"
                                                : "");
  }
  if (report.fused_rank) std::printf("  joined: rank %zu\n", *report.fused_rank);
  if (report.reranked_rank) std::printf("  reranked: rank %zu\n", *report.reranked_rank);
}

}  // namespace

int RunWhyNot(const Options& options, const Context& context) {
  const auto knowledge_base = OpenKnowledgeBase(options);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  const auto report =
      (*knowledge_base)
          ->WhyNot(
              {.file = options.missing_file, .query = options.question, .filter = options.filter, .context = context});
  if (!report.ok()) return Fail(options, report.status());
  PrintWarnings(report->warnings);
  if (options.json) {
    std::printf("%s\n", WhyNotJson(options.question, *report).Dump().c_str());
  } else {
    PrintReport(*report);
  }
  return 0;
}

}  // namespace ragtime::cli
