// SPDX-License-Identifier: Apache-2.0
#include "model/llama/model_gauge.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr size_t kWindowTokens = 512;
constexpr size_t kStepTokens = 128;  // Scores of a step are in memory together: some 100 MB for large vocabularies.

// A text that nobody wrote, another one for each user.
Token MadeUpToken(size_t user, size_t position, size_t vocabulary) {
  const size_t least = vocabulary / 4;  // Beyond the special tokens of every vocabulary.
  return static_cast<Token>(least + (user * 104729 + position * 7919) % (vocabulary - least));
}

Token BestOf(std::span<const float> scores) {
  return static_cast<Token>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

// What is subtracted from a score to make it the logarithm of a probability.
double LogSum(std::span<const float> scores) {
  const float highest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score - highest));
  return highest + std::log(sum);
}

}  // namespace

Result<SpeedGauge> GaugeSpeed(const Context& context, BatchModel& model, size_t users, size_t prompt_tokens,
                              size_t tokens, size_t batch_tokens) {
  if (users == 0 || users > model.sequences() || users > kBatchTokensMax || batch_tokens == 0 ||
      batch_tokens > kBatchTokensMax || prompt_tokens == 0 || tokens == 0 ||
      users * (prompt_tokens + tokens) > model.cells()) {
    return InvalidArgumentError(StrCat(users, " users with ", prompt_tokens, " and ", tokens, " tokens do not fit"));
  }
  const size_t vocabulary = model.vocabulary_size();
  const auto abort = [&context] { return !context.Check().ok(); };
  std::vector<BatchToken> batch;
  std::vector<Token> next(users);
  const Stopwatch prefill;
  for (size_t user = 0; user < users; ++user) {
    for (size_t position = 0; position < prompt_tokens; position += batch.size()) {
      batch.clear();
      for (size_t at = position; at < prompt_tokens && batch.size() < batch_tokens; ++at) {
        batch.push_back({MadeUpToken(user, at, vocabulary), at, static_cast<int>(user), at + 1 == prompt_tokens});
      }
      RAGTIME_RETURN_IF_ERROR(model.Compute(batch, abort));
    }
    next[user] = BestOf(model.Scores(batch.size() - 1));
  }
  SpeedGauge gauge;
  gauge.prefill_tokens_per_s = 1000.0 * static_cast<double>(users * prompt_tokens) / prefill.ElapsedMs();
  const Stopwatch decode;
  for (size_t step = 0; step < tokens; ++step) {
    batch.clear();
    for (size_t user = 0; user < users; ++user) {
      batch.push_back({next[user], prompt_tokens + step, static_cast<int>(user), true});
    }
    RAGTIME_RETURN_IF_ERROR(model.Compute(batch, abort));
    for (size_t user = 0; user < users; ++user) next[user] = BestOf(model.Scores(user));
  }
  gauge.tpot_ms = decode.ElapsedMs() / static_cast<double>(tokens);
  gauge.decode_tokens_per_s = 1000.0 * static_cast<double>(users) / gauge.tpot_ms;
  for (size_t user = 0; user < users; ++user) model.Forget(static_cast<int>(user), 0);
  return gauge;
}

Result<TextGauge> GaugeText(const Context& context, BatchModel& origin, BatchModel& model,
                            std::span<const Token> text) {
  if (origin.vocabulary_size() != model.vocabulary_size()) {
    return InvalidArgumentError(StrCat("the models have other vocabularies: ", origin.vocabulary_size(), " and ",
                                       model.vocabulary_size(), " tokens"),
                                "compare a model with one that it was made from");
  }
  const size_t window = std::min({kWindowTokens, origin.cells(), model.cells()});
  if (text.size() < window) {
    return InvalidArgumentError(StrCat("the text has ", text.size(), " tokens, and ", window, " are needed"),
                                "give a longer text");
  }
  const auto abort = [&context] { return !context.Check().ok(); };
  TextGauge gauge;
  double loss = 0;
  double origin_loss = 0;
  size_t agreed = 0;
  std::vector<double> divergences;
  std::vector<BatchToken> batch;
  for (size_t start = 0; start + window <= text.size(); start += window) {
    for (size_t position = 0; position < window; position += batch.size()) {
      batch.clear();
      const auto foretells = [&](size_t at) { return at + 1 >= window / 2 && at + 1 < window; };
      for (size_t at = position; at < window && batch.size() < kStepTokens; ++at) {
        batch.push_back({text[start + at], at, 0, foretells(at)});
      }
      RAGTIME_RETURN_IF_ERROR(origin.Compute(batch, abort));
      if (&model != &origin) RAGTIME_RETURN_IF_ERROR(model.Compute(batch, abort));
      for (size_t i = 0; i < batch.size(); ++i) {
        if (!batch[i].wants_scores) continue;
        const std::span<const float> before = origin.Scores(i);
        const std::span<const float> after = model.Scores(i);
        const double before_sum = LogSum(before);
        const double after_sum = LogSum(after);
        const auto truth = static_cast<size_t>(text[start + position + i + 1]);
        origin_loss += before_sum - before[truth];
        loss += after_sum - after[truth];
        double divergence = 0;
        for (size_t token = 0; token < before.size(); ++token) {
          const double log_before = before[token] - before_sum;
          divergence += std::exp(log_before) * (log_before - (after[token] - after_sum));
        }
        divergences.push_back(divergence);
        agreed += BestOf(before) == BestOf(after) ? 1 : 0;
      }
    }
    origin.Forget(0, 0);
    model.Forget(0, 0);
  }
  const auto count = static_cast<double>(divergences.size());
  gauge.tokens = divergences.size();
  gauge.perplexity = std::exp(loss / count);
  gauge.origin_perplexity = std::exp(origin_loss / count);
  for (const double divergence : divergences) gauge.kl_mean += divergence / count;
  const auto p99 = divergences.begin() + static_cast<std::ptrdiff_t>((divergences.size() - 1) * 99 / 100);
  std::nth_element(divergences.begin(), p99, divergences.end());
  gauge.kl_p99 = *p99;
  gauge.agreement = static_cast<double>(agreed) / count;
  return gauge;
}

}  // namespace ragtime
