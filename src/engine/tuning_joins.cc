// SPDX-License-Identifier: Apache-2.0
#include "engine/tuning_joins.h"

#include <algorithm>

#include "base/median.h"
#include "base/str_cat.h"
#include "engine/node_question.h"
#include "engine/tuning.h"
#include "query/pack.h"
#include "text/answer_score.h"
#include "text/language.h"

namespace ragtime {
namespace {

// Tokens of each answer that are compared.
constexpr size_t kAnswerTokens = 32;
// Fewer say nothing about the next hundred.
constexpr size_t kComparedMin = 10;

// What answers of one kind gave.
struct Answers {
  void Add(const std::string& text, double ms, const std::string& question, const std::string& passages) {
    ttft_ms.push_back(ms);
    const AnswerScore score = ScoreAnswer(text, question, passages);
    if (score.from_passages) from_passages.push_back(*score.from_passages);
    if (score.on_topic) on_topic.push_back(*score.on_topic);
  }
  std::vector<double> ttft_ms;
  std::vector<double> from_passages;
  std::vector<double> on_topic;
};

// Those with one number of head tokens.
struct JoinedAnswers {
  Answers answers;
  double divergence_nats = 0;  // Sums.
  size_t tokens = 0;
  size_t agreed = 0;
};

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

std::string PassagesOf(const GenerationRequest& request) {
  std::string text;
  for (const Span& chunk : request.chunks) {
    text += request.messages.back().content.substr(chunk.start, chunk.end - chunk.start) + "\n";
  }
  return text;
}

JoinPoint PointOf(const JoinedAnswers& joined, size_t head_tokens, const JoinRecord& record,
                  const TuneJoinsOptions& options) {
  JoinPoint point{
      .head_tokens = head_tokens,
      .divergence_nats = joined.divergence_nats / static_cast<double>(record.questions),
      .agreement = joined.tokens == 0 ? 0 : static_cast<double>(joined.agreed) / static_cast<double>(joined.tokens),
      .ttft_ms = Median(joined.answers.ttft_ms),
      .from_passages = Mean(joined.answers.from_passages),
      .on_topic = Mean(joined.answers.on_topic)};
  point.allowed = point.divergence_nats <= options.divergence_nats_max && point.agreement >= options.agreement_min &&
                  point.ttft_ms < record.whole_ttft_ms;
  return point;
}

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
  const std::vector<size_t>& heads = options.head_tokens;
  if (heads.empty() || !std::is_sorted(heads.begin(), heads.end()) || heads.front() == 0) {
    return InvalidArgumentError("the numbers of head tokens are not ascending from 1",
                                "give them as in --head-tokens 8,16,32,64");
  }
  JoinRecord record;
  Answers whole;
  std::vector<JoinedAnswers> joined(heads.size());
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
    const Result<JoinComparison> comparison = generator.CompareJoins(options.context, request, heads);
    // Short passages, or one alone: such prompts are computed whole at any rate.
    if (comparison.status().code() == StatusCode::kFailedPrecondition) continue;
    RAGTIME_RETURN_IF_ERROR(comparison.status());
    ++record.questions;
    const std::string passages = PassagesOf(request);
    whole.Add(comparison->text, comparison->ttft_ms, questions[i], passages);
    for (size_t h = 0; h < heads.size(); ++h) {
      const JoinedAnswer& answer = comparison->joined[h];
      joined[h].answers.Add(answer.text, answer.ttft_ms, questions[i], passages);
      joined[h].divergence_nats += answer.divergence_nats;
      joined[h].tokens += answer.tokens;
      joined[h].agreed += answer.agreed;
    }
  }
  if (record.questions < kComparedMin) {
    return FailedPreconditionError(
        StrCat("only ", record.questions, " of ", questions.size(), " questions have several passages to join, and ",
               kComparedMin, " are needed"),
        "give more questions with --questions FILE, or ingest more documents");
  }
  record.whole_ttft_ms = Median(whole.ttft_ms);
  record.whole_from_passages = Mean(whole.from_passages);
  record.whole_on_topic = Mean(whole.on_topic);
  for (size_t h = 0; h < heads.size(); ++h) {
    record.points.push_back(PointOf(joined[h], heads[h], record, options));
    if (record.head_tokens == 0 && record.points.back().allowed) record.head_tokens = heads[h];
  }
  RAGTIME_RETURN_IF_ERROR(generator.KeepJoinRecord(record));
  return record;
}

}  // namespace ragtime
