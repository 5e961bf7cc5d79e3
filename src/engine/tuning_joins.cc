// SPDX-License-Identifier: Apache-2.0
#include "engine/tuning_joins.h"

#include "base/median.h"
#include "base/str_cat.h"
#include "engine/node_question.h"
#include "engine/tuning.h"
#include "query/pack.h"
#include "text/language.h"

namespace ragtime {
namespace {

// Tokens of each answer that are compared.
constexpr size_t kAnswerTokens = 32;
// Fewer say nothing about the next hundred.
constexpr size_t kComparedMin = 10;

}  // namespace

Result<std::vector<std::string>> QuestionsOfNodes(const Snapshot& snapshot, size_t count, const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const auto sample, SampleNodes(context, snapshot, "", count));
  std::vector<NodeId> ids;
  ids.reserve(sample.size());
  for (const auto& [node, document] : sample) ids.push_back(node);
  RAGTIME_ASSIGN_OR_RETURN(const auto found, snapshot.GetNodes(ids));
  std::vector<std::string> questions;
  for (const std::optional<Node>& node : found) {
    if (node) questions.push_back(QuestionOf(*node));
  }
  return questions;
}

Result<JoinRecord> MeasureJoins(const Config& config, Generator& generator, const SearchFunction& search,
                                const std::vector<std::string>& questions, const TuneJoinsOptions& options) {
  JoinRecord record;
  double divergence = 0;
  size_t tokens = 0;
  size_t agreed = 0;
  std::vector<double> whole;
  std::vector<double> joined;
  for (size_t i = 0; i < questions.size(); ++i) {
    if (options.on_progress) {
      options.on_progress({.stage = "compare", .files_total = questions.size(), .files_done = i, .file = questions[i]});
    }
    RAGTIME_ASSIGN_OR_RETURN(const SearchResult found, search({.query = questions[i], .context = options.context}));
    Result<Packed> packed = PackPrompt({.question = questions[i],
                                        .language = DetectLanguage(questions[i]),
                                        .hits = found.hits,
                                        .passages_max = config.answer.passages,
                                        .context_tokens = config.llm.context_tokens,
                                        .answer_tokens = kAnswerTokens},
                                       generator);
    if (!packed.ok()) continue;
    const GenerationRequest request{.messages = std::move(packed->messages),
                                    .max_tokens = kAnswerTokens,
                                    .passage_count = packed->passages.size(),
                                    .chunks = std::move(packed->chunks)};
    const Result<JoinComparison> comparison = generator.CompareJoins(options.context, request);
    // Short passages, or one alone: such prompts are computed whole at any rate.
    if (comparison.status().code() == StatusCode::kFailedPrecondition) continue;
    RAGTIME_RETURN_IF_ERROR(comparison.status());
    ++record.questions;
    divergence += comparison->divergence_nats;
    tokens += comparison->tokens;
    agreed += comparison->agreed;
    whole.push_back(comparison->whole_ttft_ms);
    joined.push_back(comparison->joined_ttft_ms);
  }
  if (record.questions < kComparedMin) {
    return FailedPreconditionError(
        StrCat("only ", record.questions, " of ", questions.size(), " questions have several passages to join, and ",
               kComparedMin, " are needed"),
        "give more questions with --questions FILE, or ingest more documents");
  }
  record.divergence_nats = divergence / static_cast<double>(record.questions);
  record.agreement = tokens == 0 ? 0 : static_cast<double>(agreed) / static_cast<double>(tokens);
  record.whole_ttft_ms = Median(std::move(whole));
  record.joined_ttft_ms = Median(std::move(joined));
  record.joins = record.divergence_nats <= options.divergence_nats_max && record.agreement >= options.agreement_min &&
                 record.joined_ttft_ms < record.whole_ttft_ms;
  RAGTIME_RETURN_IF_ERROR(generator.KeepJoinRecord(record));
  return record;
}

}  // namespace ragtime
