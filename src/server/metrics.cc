// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <algorithm>

#include "base/str_cat.h"

namespace ragtime {
namespace {

void AppendHead(std::string& out, const char* name, const char* type, const char* help) {
  out += StrCat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

template <typename Number>
void AppendValue(std::string& out, const char* name, const char* type, const char* help, Number value) {
  AppendHead(out, name, type, help);
  out += StrCat(name, " ", value, "\n");
}

}  // namespace

void ServerMetrics::Histogram::Add(double seconds) {
  ++counts[static_cast<size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin())];
  sum += seconds;
}

void ServerMetrics::Append(std::string& out, const char* name, const char* help, const Histogram& histogram) {
  AppendHead(out, name, "histogram", help);
  uint64_t total = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    total += histogram.counts[i];
    out += StrCat(name, "_bucket{le=\"", kBounds[i], "\"} ", total, "\n");
  }
  total += histogram.counts.back();
  out += StrCat(name, "_bucket{le=\"+Inf\"} ", total, "\n", name, "_sum ", histogram.sum, "\n", name, "_count ", total,
                "\n");
}

void ServerMetrics::CountRequest(const std::string& path, int code, double seconds) {
  std::lock_guard lock(mutex_);
  ++requests_[{path, code}];
  duration_.Add(seconds);
}

void ServerMetrics::CountAnswer(const Answer& answer, double first_s) {
  const auto ms_of = [&answer](const char* stage) {
    const auto found = answer.timings_ms.find(stage);
    return found != answer.timings_ms.end() ? found->second : -1.0;
  };
  std::lock_guard lock(mutex_);
  ++answers_[answer.mode == AnswerMode::kGenerate ? "generate" : "extract"];
  not_found_ += answer.found ? 0 : 1;
  if (first_s >= 0) first_.Add(first_s);
  if (ms_of("tpot") >= 0) per_token_.Add(ms_of("tpot") / 1000);
  if (ms_of("queue") >= 0) queue_.Add(ms_of("queue") / 1000);
}

std::string ServerMetrics::Print(const GeneratorStatistics& generator, const ThreadStatistics& threads,
                                 size_t requests_running) const {
  std::string out;
  std::lock_guard lock(mutex_);
  AppendHead(out, "ragtime_requests_total", "counter", "Requests answered, by path and HTTP code.");
  for (const auto& [key, count] : requests_) {
    out += StrCat("ragtime_requests_total{path=\"", key.first, "\",code=\"", key.second, "\"} ", count, "\n");
  }
  AppendHead(out, "ragtime_answers_total", "counter", "Answers, by how they were made.");
  for (const auto& [mode, count] : answers_) out += StrCat("ragtime_answers_total{mode=\"", mode, "\"} ", count, "\n");
  AppendValue(out, "ragtime_answers_not_found_total", "counter", "Questions that the documents do not answer.",
              not_found_);
  AppendValue(out, "ragtime_requests_running", "gauge", "Requests under way.", requests_running);
  Append(out, "ragtime_request_seconds", "From a request's head to the last byte of its answer.", duration_);
  Append(out, "ragtime_ttft_seconds", "From a question to the first piece of its answer, the search included.", first_);
  Append(out, "ragtime_tpot_seconds", "Mean time of each token of an answer after its first.", per_token_);
  Append(out, "ragtime_queue_seconds", "Time that a question waited for room in the language model.", queue_);
  AppendValue(out, "ragtime_llm_requests_waiting", "gauge", "Answers that wait for room.", generator.requests_waiting);
  AppendValue(out, "ragtime_llm_requests_running", "gauge", "Answers that are being written.",
              generator.requests_running);
  AppendValue(out, "ragtime_llm_batches_total", "counter", "Batches computed.", generator.batches);
  AppendValue(out, "ragtime_llm_batch_tokens_total", "counter",
              "Tokens in all batches; divided by the batches, the mean batch size.", generator.batch_tokens);
  AppendValue(out, "ragtime_llm_prompt_tokens_total", "counter", "Tokens of all prompts.", generator.prompt_tokens);
  AppendValue(out, "ragtime_llm_cached_tokens_total", "counter",
              "Of the tokens of prompts, those not computed again; divided by them, the hit rate.",
              generator.cached_tokens);
  AppendValue(out, "ragtime_llm_completion_tokens_total", "counter", "Tokens written.", generator.completion_tokens);
  AppendValue(out, "ragtime_llm_guessed_tokens_total", "counter", "Tokens computed ahead of their turn.",
              generator.guessed_tokens);
  AppendValue(out, "ragtime_llm_right_guesses_total", "counter", "Of these, those that were right.",
              generator.right_guesses);
  AppendValue(out, "ragtime_llm_kv_cells", "gauge", "Tokens that the model can hold.", generator.cells);
  AppendValue(out, "ragtime_llm_kv_cells_reserved", "gauge", "Of these, reserved for answers under way.",
              generator.cells_reserved);
  AppendValue(out, "ragtime_llm_states_memory_bytes", "gauge", "Saved states of prompts in memory.",
              generator.states_memory_bytes);
  AppendValue(out, "ragtime_llm_states_disk_bytes", "gauge", "Saved states of prompts on disk.",
              generator.states_disk_bytes);
  AppendValue(out, "ragtime_threads", "gauge", "Threads that models may compute with together.", threads.threads);
  AppendHead(out, "ragtime_threads_taken", "gauge", "Threads that models compute with now, by what for.");
  out += StrCat("ragtime_threads_taken{for=\"question\"} ", threads.questions, "\n");
  out += StrCat("ragtime_threads_taken{for=\"answer\"} ", threads.answers, "\n");
  out += StrCat("ragtime_threads_taken{for=\"background\"} ", threads.background, "\n");
  AppendValue(out, "ragtime_questions_embedded_total", "counter", "Embeddings that somebody waited for.",
              threads.questions_embedded);
  AppendValue(out, "ragtime_background_pieces_total", "counter", "Pieces of work that nobody waited for.",
              threads.background_pieces);
  AppendValue(out, "ragtime_background_waits_total", "counter", "Of these, those that waited for a thread.",
              threads.background_waits);
  AppendValue(out, "ragtime_background_wait_seconds_total", "counter", "All their waits together.",
              threads.background_wait_ms / 1000);
  return out;
}

}  // namespace ragtime
