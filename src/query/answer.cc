// SPDX-License-Identifier: Apache-2.0
#include "query/answer.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <tuple>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "query/answer/checked_stream.h"
#include "query/answer/citations.h"
#include "query/answer/extract.h"
#include "query/answer/not_found.h"
#include "query/answer/replay.h"
#include "query/pack.h"
#include "query/relevance.h"
#include "query/search.h"
#include "text/language.h"
#include "wire/json.h"

namespace ragtime {
namespace {

// A question on its way to its answer.
struct Asking {
  const AnswerContext& context;
  const AskRequest& request;
  AnswerMode mode;
  std::string language;  // Of the question.
  Searched searched;
  bool reader_left = false;
  Answer answer;

  void Warn(std::string code, std::string message) {
    answer.warnings.push_back({std::move(code), std::nullopt, std::move(message)});
  }
  const std::string& question() const { return searched.query.text; }
  const std::vector<SearchHit>& hits() const { return searched.result.hits; }
};

constexpr std::string_view kExtracted = "the answer is made of sentences of the documents";

// The texts in a JSON answer, to find what they rest on; a number in brackets there is none of ours.
void CollectTexts(const Json& json, std::string& texts) {
  if (json.is_string()) texts += NeutraliseMarkers(json.AsString()) + "\n";
  for (const Json& item : json.AsArray()) CollectTexts(item, texts);
  for (const auto& [name, value] : json.AsObject()) CollectTexts(value, texts);
}

// What citations are looked for in.
std::string CitedText(const Asking& asking, const std::string& text) {
  if (!asking.request.json_schema) return text;
  const Result<Json> json = Json::Parse(text);
  std::string texts;
  if (json.ok()) CollectTexts(*json, texts);
  return texts;
}

// A server may pass over the format that it is asked for.
Status CheckJsonAnswer(const Asking& asking, const std::string& text) {
  const Result<Json> json = Json::Parse(text);
  if (json.ok() && (json->is_object() || !asking.request.json_schema->empty())) return Status();
  return FailedPreconditionError(
      StrCat(asking.context.generator->info().model, " was asked for JSON and wrote something else"),
      "use a server and model that support response_format, or the model in this process (llm: {api: local})");
}

void SendAnswer(Asking& asking, std::string_view text) {
  if (!asking.request.on_token || asking.reader_left || text.empty()) return;
  asking.reader_left = !asking.request.on_token(Channel::kAnswer, text);
}

Status Find(Asking& asking) {
  const AnswerContext& context = asking.context;
  SearchOptions options;
  const bool stands_alone = context.standalone_question.empty();
  options.recall = {.question = stands_alone ? asking.request.question : context.standalone_question,
                    .top_k = 2 * std::max<size_t>(1, context.passages),  // Some are dropped as repetitions.
                    .route = asking.request.route.value_or(context.route),
                    .routes = context.routes,
                    .group = context.group,
                    .metric = context.metric,
                    .filter = context.filter,
                    .rewriter = context.rewriter,
                    .embedder_status = context.embedder_status,
                    .chooser = context.chooser,
                    .parameters = context.parameters,
                    .context = asking.request.context,
                    .keyed = context.keyed};
  options.fusion = context.fusion;
  options.window = context.window;
  options.reranker = context.reranker;
  // A late route may use up half of the time; the rest is for the answer.
  if (std::optional<std::chrono::steady_clock::time_point>& deadline = options.recall.context.deadline; deadline) {
    const auto now = std::chrono::steady_clock::now();
    if (*deadline > now) deadline = now + (*deadline - now) / 2;
  }
  // Reading the weights and the list of saved states takes about as long as a search.
  if (MayBeAsked(asking.mode, context.generator)) context.generator->Expect();
  Result<Searched> searched = SearchNodes(options, context.snapshot, context.embedder, *context.pool);
  if (!searched.ok()) return searched.status();
  asking.searched = *std::move(searched);
  asking.answer.timings_ms = std::move(asking.searched.result.timings_ms);
  asking.answer.timings_ms.erase("total");
  asking.answer.warnings = std::move(asking.searched.result.warnings);
  asking.language = DetectLanguage(asking.question());
  return Status();
}

void SayNotFound(Asking& asking) {
  Answer& answer = asking.answer;
  answer.found = false;
  answer.mode = AnswerMode::kExtract;
  answer.text = NotFoundText(asking.language, asking.hits());
  const Result<StoreStatistics> statistics = asking.context.snapshot->Statistics();
  if (statistics.ok() && statistics->nodes == 0) {
    asking.Warn("empty", "the knowledge base holds no documents; run ragtime ingest PATH first");
  }
  if (!asking.request.json_schema) SendAnswer(asking, answer.text);
}

void Extracted(Asking& asking) {
  const Stopwatch stopwatch;
  const std::vector<Passage> passages = SelectPassages(asking.hits(), asking.context.passages);
  Extract extract = ExtractAnswer({.question = asking.question(),
                                   .passages = passages,
                                   .query_vector = asking.searched.query_vector,
                                   .embedder = asking.context.embedder.get(),
                                   .source_span_of = asking.context.source_span_of,
                                   .context = asking.request.context});
  asking.answer.timings_ms["extract"] = stopwatch.ElapsedMs();
  if (extract.text.empty()) return SayNotFound(asking);
  if (!extract.embedding.ok()) {
    asking.Warn("embed_failed",
                StrCat("sentences were chosen by their words alone: ", extract.embedding.message(), "; ",
                       extract.embedding.remedy().empty() ? "run ragtime doctor" : extract.embedding.remedy()));
  }
  asking.answer.mode = AnswerMode::kExtract;
  asking.answer.text = std::move(extract.text);
  asking.answer.citations = std::move(extract.citations);
  for (const std::string& piece : extract.pieces) SendAnswer(asking, piece);
}

// In mode auto: why the model is not even asked, as a warning; none if it is.
std::optional<Warning> ReasonToExtract(const Asking& asking) {
  const Generator* generator = asking.context.generator;
  if (generator == nullptr) {
    const Status& status = asking.context.generator_status;
    const std::string why = status.ok() ? "no language model is configured"
                                        : StrCat("the language model is not at hand: ", status.message());
    const std::string remedy = status.ok() || status.remedy().empty() ? "" : StrCat(status.remedy(), ", or ");
    return Warning{"no_model", std::nullopt,
                   StrCat(why, ", so ", kExtracted, "; ", remedy,
                          "set llm: {model: ...} to one that is there, or answer: {mode: extract} to "
                          "choose this")};
  }
  const std::vector<std::string>& languages = generator->info().languages;
  if (languages.empty() || std::find(languages.begin(), languages.end(), asking.language) != languages.end()) {
    if (generator->info().cites) return std::nullopt;
    return Warning{"cannot_cite", std::nullopt,
                   StrCat(generator->info().model, " is too small to cite what it says, so ", kExtracted,
                          "; set llm: {model: ...} to a larger model, or answer: {mode: generate} to ask this one all "
                          "the same")};
  }
  const std::string language = asking.language.empty() ? "the question's language"
                                                       : StrCat("\"", asking.language, "\", the question's language");
  return Warning{"language", std::nullopt,
                 StrCat(generator->info().model, " does not declare ", language, ", so ", kExtracted,
                        "; set llm: {model: ...} to a model that knows it, or answer: {mode: generate} to ask this one "
                        "all the same")};
}

void TakeUsage(const GenerationResult& result, Answer& answer) {
  answer.prompt_tokens = result.prompt_tokens;
  answer.cached_tokens = result.cached_tokens;
  answer.completion_tokens = result.completion_tokens;
  answer.timings_ms["queue"] = result.queue_ms;
  for (const std::string& message : result.warnings) answer.warnings.push_back({"generator", std::nullopt, message});
  if (result.completion_tokens > 0) answer.timings_ms["ttft"] = result.ttft_ms;
  if (result.completion_tokens > 1) answer.timings_ms["tpot"] = result.tpot_ms;
}

// The model's text is the answer.
void KeepGenerated(Asking& asking, const CheckedStream& stream, std::vector<Citation> citations) {
  asking.answer.mode = AnswerMode::kGenerate;
  asking.answer.text = stream.text();
  asking.answer.citations = std::move(citations);
  if (asking.answer.citations.empty() && !stream.stopped()) {
    constexpr std::string_view kRests = "the answer rests on none of the passages, so check it yourself";
    asking.Warn("uncited",
                asking.request.json_schema
                    ? std::string(kRests)
                    : StrCat(kRests, "; set answer: {mode: extract} to get sentences of the documents instead"));
  }
}

Result<Packed> Pack(Asking& asking) {
  const Stopwatch packing;
  const bool follows = !asking.context.standalone_question.empty();
  Result<Packed> packed =
      PackPrompt({.question = follows ? asking.request.question : asking.question(),
                  .language = asking.language,
                  .hits = asking.hits(),
                  .history = asking.context.history,
                  .passages_max = asking.context.passages,
                  .context_tokens = asking.context.context_tokens,
                  .answer_tokens = asking.context.max_tokens + asking.context.thinking_tokens.value_or(0),
                  .json_schema = asking.request.json_schema},
                 *asking.context.generator);
  asking.answer.timings_ms["pack"] = packing.ElapsedMs();
  return packed;
}

// Returns true if the answer is made, false if it has to be extracted; an error is the result as a whole.
Result<bool> Generated(Asking& asking) {
  const bool is_auto = asking.mode == AnswerMode::kAuto;
  Result<Packed> packed = Pack(asking);
  auto degrade = [&](const Status& status) {
    const std::string remedy = status.remedy().empty() ? "run ragtime doctor" : status.remedy();
    asking.Warn("generator_failed", StrCat("the language model failed (", status.message(), "), so ", kExtracted, "; ",
                                           remedy, ", or set answer: {mode: extract} to choose this"));
    return false;
  };
  if (!packed.ok()) {
    if (!is_auto) return packed.status();
    return degrade(packed.status());
  }

  CheckedStream stream(packed->passages.size(), asking.request.on_token, /*hold_until_cited=*/is_auto,
                       /*verbatim=*/asking.request.json_schema.has_value(),
                       asking.context.generator->info().holds_markers);
  const GenerationRequest generation{.messages = std::move(packed->messages),
                                     .max_tokens = asking.context.max_tokens,
                                     .temperature = asking.request.temperature,
                                     .thinking_tokens = asking.context.thinking_tokens,
                                     .passage_count = asking.request.json_schema ? 0 : packed->passages.size(),
                                     .json_schema = asking.request.json_schema,
                                     .chunks = std::move(packed->chunks),
                                     .client = asking.request.client};
  Result<GenerationResult> result = asking.context.generator->Generate(
      asking.request.context, generation,
      [&stream](Channel channel, std::string_view text) { return stream.OnToken(channel, text); });
  // A generator need not stream.
  if (result.ok() && stream.reasoning().empty() && !result->reasoning.empty())
    stream.OnToken(Channel::kReasoning, result->reasoning);
  if (result.ok() && !stream.received_answer() && !result->text.empty()) stream.OnToken(Channel::kAnswer, result->text);
  if (result.ok() || stream.kept()) stream.Finish();
  asking.answer.reasoning = stream.reasoning();
  asking.reader_left = stream.stopped();
  if (result.ok()) TakeUsage(*result, asking.answer);

  std::vector<Citation> citations =
      CiteAnswer(CitedText(asking, stream.text()), packed->passages, asking.context.source_span_of);
  if (!result.ok()) {
    const Status& status = result.status();
    if (!is_auto || status.code() == StatusCode::kCancelled) return status.Annotate("generating the answer");
    if (!stream.kept()) return degrade(status);
    // Part of it has been read already, and can no longer be taken back.
    asking.Warn("generator_failed", StrCat("the language model failed after the part shown (", status.message(), "); ",
                                           status.remedy().empty() ? "ask again" : status.remedy()));
    KeepGenerated(asking, stream, std::move(citations));
    return true;
  }
  if (!stream.kept() && !stream.stopped()) {
    asking.Warn("uncited",
                StrCat("the language model's text rested on none of the passages and was dropped, so ", kExtracted,
                       "; set answer: {mode: generate} to see it, or llm: {model: ...} to a larger model"));
    return false;
  }
  if (asking.request.json_schema && !result->truncated && !stream.stopped()) {
    RAGTIME_RETURN_IF_ERROR(CheckJsonAnswer(asking, stream.text()));
  }
  KeepGenerated(asking, stream, std::move(citations));
  if (result->truncated) {
    asking.Warn("truncated", StrCat("the answer was cut off after ", result->completion_tokens,
                                    " tokens; raise llm: {max_tokens: ...} or llm: {context_tokens: ...}"));
  }
  return true;
}

bool Found(const Asking& asking) {
  const Evidence evidence = MeasureEvidence(asking.question(), asking.hits(), asking.searched.specs);
  const float threshold = asking.context.embedder != nullptr ? asking.context.embedder->info().found_threshold : 0;
  return !asking.hits().empty() && IsFound(evidence, threshold);
}

Status MakeAnswer(Asking& asking) {
  if (!Found(asking)) {
    SayNotFound(asking);
    return Status();
  }
  if (asking.mode == AnswerMode::kAuto) {
    if (std::optional<Warning> reason = ReasonToExtract(asking); reason) {
      asking.answer.warnings.push_back(*std::move(reason));
      Extracted(asking);
      return Status();
    }
  }
  if (asking.mode != AnswerMode::kExtract) {
    RAGTIME_ASSIGN_OR_RETURN(const bool made, Generated(asking));
    if (made) return Status();
  }
  Extracted(asking);
  return Status();
}

}  // namespace

bool MayBeAsked(AnswerMode mode, const Generator* generator) {
  if (generator == nullptr || mode == AnswerMode::kExtract) return false;
  return mode == AnswerMode::kGenerate || generator->info().cites;
}

Status WalkToAnswer(const AnswerContext& context, const AskRequest& request) {
  Asking asking{.context = context, .request = request, .mode = request.mode.value_or(context.mode)};
  RAGTIME_RETURN_IF_ERROR(Find(asking));
  if (Found(asking) && MayBeAsked(asking.mode, context.generator)) std::ignore = Pack(asking);
  return Status();
}

Result<Answer> AnswerQuestion(const AnswerContext& context, const AskRequest& request) {
  const Stopwatch total;
  Asking asking{.context = context, .request = request, .mode = request.mode.value_or(context.mode)};
  if (request.json_schema) {
    if (asking.mode == AnswerMode::kExtract) {
      return InvalidArgumentError("an answer in JSON is written by a language model, and the mode is extract",
                                  "set the mode to generate, or leave the format out");
    }
    asking.mode = AnswerMode::kGenerate;
  }
  if (asking.mode == AnswerMode::kGenerate && context.generator == nullptr) {
    const std::string remedy = "set llm: {model: ...} to a model that is there, or answer: {mode: extract}";
    if (!context.generator_status.ok()) return context.generator_status.WithRemedy(remedy);
    return FailedPreconditionError("answer mode generate needs a language model, and none is configured", remedy);
  }
  RAGTIME_RETURN_IF_ERROR(Find(asking));
  std::optional<Answer> before = context.made_before ? context.made_before(asking.searched) : std::nullopt;
  if (before) {
    if (before->found || !request.json_schema) ReplayAnswer(request.on_token, *before);
    before->timings_ms.merge(asking.answer.timings_ms);
    asking.answer = *std::move(before);
  } else {
    RAGTIME_RETURN_IF_ERROR(MakeAnswer(asking));
  }
  asking.answer.timings_ms["total"] = total.ElapsedMs();
  return std::move(asking.answer);
}

}  // namespace ragtime
