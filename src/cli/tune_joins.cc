// SPDX-License-Identifier: Apache-2.0
//
// `ragtime tune --kv`: measures what answers lose when passages are joined that were computed elsewhere.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

unsigned long long Count(uint64_t value) { return value; }

void Print(const JoinRecord& record, const Options& options) {
  std::printf("%zu questions, answered with the whole prompt computed, and with passages joined\n\n", record.questions);
  std::printf("| computed anew  | TTFT ms | sooner | KL, nats | same tokens | from passages | on topic |         |\n");
  std::printf("|----------------|---------|--------|----------|-------------|---------------|----------|---------|\n");
  std::printf(
      "| all            | %7.0f |   1.0x |   0.0000 |       100 %% |        %4.0f %% |   %4.0f %% |         |\n",
      record.whole_ttft_ms, 100 * record.whole_from_passages, 100 * record.whole_on_topic);
  for (const JoinPoint& point : record.points) {
    const double speedup = point.ttft_ms > 0 ? record.whole_ttft_ms / point.ttft_ms : 0;
    std::printf("| %4zu a passage | %7.0f | %5.1fx | %8.4f |      %4.0f %% |        %4.0f %% |   %4.0f %% | %s |\n",
                point.head_tokens, point.ttft_ms, speedup, point.divergence_nats, 100 * point.agreement,
                100 * point.from_passages, 100 * point.on_topic, point.allowed ? "allowed" : "refused");
  }
  std::printf(
      "\nTTFT: to the first token, medians. KL: of the first token's distribution, mean; %.4f are allowed. Same "
      "tokens:\n"
      "of the answers, before the first that differs; %.0f %% are needed. From passages: of the answers' words, those "
      "that\n"
      "stand in the passages. On topic: of the questions' words, those that stand in the answers.\n",
      options.divergence_max, 100 * options.agreement_min);
  if (record.head_tokens > 0) {
    std::printf(
        "Answers join passages from now on, %zu tokens of each computed anew; llm: {chunk_reuse: off} ends that.\n",
        record.head_tokens);
  } else {
    std::printf("Passages are not joined: that would be other answers, or no sooner ones.\n");
  }
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
  TuneJoinsOptions tuning{.context = context,
                          .questions = std::move(questions),
                          .questions_max = options.questions_max,
                          .divergence_nats_max = options.divergence_max,
                          .agreement_min = options.agreement_min,
                          .on_progress = [&](const IngestProgress& progress) {
                            if (terminal) {
                              std::fprintf(stderr, "\r\033[Kquestion %llu of %llu", Count(progress.files_done + 1),
                                           Count(progress.files_total));
                            }
                          }};
  if (!options.head_tokens.empty()) tuning.head_tokens = options.head_tokens;
  std::sort(tuning.head_tokens.begin(), tuning.head_tokens.end());
  const Result<JoinRecord> record = (*knowledge_base)->TuneJoins(tuning);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  return Show(options, record, JoinRecordJson, [&](const JoinRecord& kept) { Print(kept, options); });
}

}  // namespace ragtime::cli
