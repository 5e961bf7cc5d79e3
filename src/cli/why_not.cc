// SPDX-License-Identifier: Apache-2.0
//
// ragtime why-not: where a file was lost on the way to the hits of a question, in words or as JSON.
#include <cstdio>

#include "cli/options.h"
#include "cli/show.h"
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
  return ShowOf(
      options,
      [&](KnowledgeBase& kb) {
        return kb.WhyNot(
            {.file = options.missing_file, .query = options.question, .filter = options.filter, .context = context});
      },
      [&](const WhyNotReport& report) { return WhyNotJson(options.question, report); }, PrintReport);
}

}  // namespace ragtime::cli
