// SPDX-License-Identifier: Apache-2.0
//
// `ragtime tune --kv`: measures what answers lose when passages are joined that were computed elsewhere.
#include <unistd.h>

#include <cstdio>

#include "cli/options.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

unsigned long long Count(uint64_t value) { return value; }

void Print(const JoinRecord& record, const Options& options) {
  std::printf("%zu questions, answered whole and with passages joined\n", record.questions);
  std::printf("first token   %.0f ms whole, %.0f ms joined (medians)\n", record.whole_ttft_ms, record.joined_ttft_ms);
  std::printf("divergence    %.4f nats, at most %.4f are allowed\n", record.divergence_nats, options.divergence_max);
  std::printf("agreement     %.1f %% of the tokens, at least %.1f %% are needed\n", 100 * record.agreement,
              100 * options.agreement_min);
  std::printf(record.joins ? "Answers join passages from now on; llm: {chunk_reuse: off} ends that.\n"
                           : "Passages are not joined: that would be other answers, or no sooner ones.\n");
}

}  // namespace

int RunTuneJoins(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  std::vector<std::string> questions;
  if (!options.questions_file.empty()) {
    auto read = ReadQuestions(options.questions_file);
    if (!read.ok()) return Fail(options, read.status());
    questions = *std::move(read);
  }
  auto knowledge_base = KnowledgeBase::Open(*config, /*must_exist=*/true);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const Result<JoinRecord> record =
      (*knowledge_base)
          ->TuneJoins({.context = context,
                       .questions = std::move(questions),
                       .questions_max = options.questions_max,
                       .divergence_nats_max = options.divergence_max,
                       .agreement_min = options.agreement_min,
                       .on_progress = [&](const IngestProgress& progress) {
                         if (terminal) {
                           std::fprintf(stderr, "\r\033[Kquestion %llu of %llu", Count(progress.files_done + 1),
                                        Count(progress.files_total));
                         }
                       }});
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (!record.ok()) return Fail(options, record.status());
  if (options.json) {
    std::printf("%s\n", JoinRecordJson(*record).Dump().c_str());
  } else {
    Print(*record, options);
  }
  return 0;
}

}  // namespace ragtime::cli
