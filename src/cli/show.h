// SPDX-License-Identifier: Apache-2.0
//
// How a command ends: what came of it as one JSON object with --json, in words without, or its failure.
#ifndef RAGTIME_CLI_SHOW_H_
#define RAGTIME_CLI_SHOW_H_

#include <cstdio>

#include "cli/options.h"
#include "cli/terminal.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime::cli {

// One line on stdout.
inline void PrintJson(const Json& json) { std::printf("%s\n", json.Dump().c_str()); }

// Shows a report by `to_json` or by `print`, after its warnings on stderr. Returns the exit code.
template <typename Report, typename ToJson, typename Print>
int Show(const Options& options, const Result<Report>& report, ToJson to_json, Print print) {
  if (!report.ok()) return Fail(options, report.status());
  if constexpr (requires { PrintWarnings(report->warnings); }) PrintWarnings(report->warnings);
  if (options.json) {
    PrintJson(to_json(*report));
  } else {
    print(*report);
  }
  return 0;
}

// Opens what the options name, and shows what comes of `work` on it.
template <typename Work, typename ToJson, typename Print>
int ShowOf(const Options& options, Work work, ToJson to_json, Print print) {
  const auto knowledge_base = OpenKnowledgeBase(options);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  return Show(options, work(**knowledge_base), to_json, print);
}

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_SHOW_H_
