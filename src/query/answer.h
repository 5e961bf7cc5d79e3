// SPDX-License-Identifier: Apache-2.0
//
// AnswerQuestion walks a question down to a cited answer: search -> evidence -> pack -> generate or extract ->
// citations.
//
// Threads: may be called concurrently. `on_token` is called on the calling thread; what it got in all is Answer::text.
// Errors: those of the search; in mode generate those of the generator, in mode auto these become warnings. Cancelling
// is an error in every mode.
#ifndef RAGTIME_QUERY_ANSWER_H_
#define RAGTIME_QUERY_ANSWER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "query/passage.h"
#include "query/recall.h"
#include "query/route.h"
#include "query/search.h"
#include "ragtime/config.h"
#include "ragtime/embedder.h"
#include "ragtime/generator.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/reranker.h"
#include "ragtime/retriever.h"
#include "ragtime/rewriter.h"
#include "ragtime/store.h"

namespace ragtime {

// What an answer is made with. AskRequest's own mode and route come before `mode` and `route`.
struct AnswerContext {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<Embedder> embedder;  // May be null with Route::kKeyword.
  Status embedder_status;              // Why it is null otherwise.
  KeyedEmbedders keyed = {};           // Of routes that ask another one.
  Generator* generator = nullptr;      // Null: none is at hand, because of `generator_status`.
  Status generator_status;             // OK and no generator: none is configured.
  ThreadPool* pool = nullptr;
  AnswerMode mode = AnswerMode::kAuto;
  Route route = Route::kHybrid;
  size_t passages = 5;
  size_t context_tokens = 4096;
  size_t max_tokens = 256;                // Of the answer.
  std::optional<size_t> thinking_tokens;  // As GenerationRequest has it.
  Metric metric = Metric::kCosine;
  std::string group;              // The NodeGroup to look in; "": all.
  std::vector<RouteSpec> routes;  // Empty: "vector" and "keyword".
  FusionConfig fusion;
  WindowConfig window;
  std::shared_ptr<Generator> chooser;  // For routes by the language model; may be null.
  VectorSearchParameters parameters;   // Of vector routes.
  Filter filter;                       // What a passage must match.
  const Rewriter* rewriter = nullptr;
  const Reranker* reranker = nullptr;
  SourceSpanOf source_span_of;  // Optional: finer than SourceSpanByLength.
  // A follow-up question in words that stand alone, for recall, evidence and extraction; "": AskRequest::question.
  std::string standalone_question;
  std::vector<ChatMessage> history;  // Turns before, for the model; as PackRequest takes them.
  // Asked once recall is done: an answer that was made before and may be given again. It is streamed like another.
  std::function<std::optional<Answer>(const Searched& searched)> made_before;
};

// How the answer is made, and the code of its warning:
// - Nothing near was found (IsFound): found is false, no model is asked. "empty" if there are no documents at all.
// - Mode extract: sentences of the documents.
// - Mode generate: the model's text. "uncited" if it rests on no passage, "truncated" if it ran into max_tokens.
// - Mode auto: the model's text, but extracted sentences where there is no model ("no_model"), where it does not
//   declare the question's language ("language") or is known to cite nothing ("cannot_cite"), where it failed
//   ("generator_failed"), and where it put no marker under its first sentences ("uncited"). The stream is held back
//   until something in it is cited; text that was passed on is kept.
// With AskRequest::json_schema the mode is generate, markers are neither asked for nor looked for (citations are
// inferred from the texts in the JSON), and where nothing is found nothing is streamed: Answer::text says so in words.
// kFailedPrecondition where the model wrote no JSON.
Result<Answer> AnswerQuestion(const AnswerContext& context, const AskRequest& request);

// Walks the same way up to where an answer would be made, and makes none: what it needs is then in memory. Not OK:
// those of the search.
Status WalkToAnswer(const AnswerContext& context, const AskRequest& request);

// Whether that mode asks the model of any question; null: there is none.
bool MayBeAsked(AnswerMode mode, const Generator* generator);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_H_
