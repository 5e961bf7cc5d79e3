// SPDX-License-Identifier: Apache-2.0
#include "model/llama/prompt_lookup.h"

#include <algorithm>

namespace ragtime {
namespace {

constexpr size_t kWordsMax = 4;
constexpr size_t kWordsMin = 2;
// Taken whatever they cost, each of kTrialGuesses: they say what a larger batch costs and whether guesses are right.
constexpr size_t kTrials = 3;
constexpr size_t kTrialGuesses = 4;
constexpr size_t kPatienceMin = 64;
constexpr size_t kPatienceMax = 4096;
// What guessing must gain by the estimate, which is rough.
constexpr double kGainMin = 1.1;
// Guesses of other requests count as much as that many of its own.
constexpr double kPriorGuesses = 8;

}  // namespace

std::vector<Token> GuessTokens(std::span<const Token> tokens, size_t most) {
  for (size_t words = kWordsMax; words >= kWordsMin; --words) {
    if (tokens.size() <= words) continue;
    const std::span<const Token> last = tokens.last(words);
    for (size_t start = tokens.size() - words; start-- > 0;) {
      if (!std::equal(last.begin(), last.end(), tokens.begin() + static_cast<ptrdiff_t>(start))) continue;
      const std::span<const Token> next = tokens.subspan(start + words);
      return {next.begin(), next.begin() + static_cast<ptrdiff_t>(std::min(most, next.size()))};
    }
  }
  return {};
}

LookupGate::LookupGate() : patience_(kPatienceMin) {}

LookupGate::Record LookupGate::StartOf() const {
  if (all_.guessed < 1) return {};
  return {.guessed = kPriorGuesses, .right = kPriorGuesses * all_.right / all_.guessed};
}

size_t LookupGate::Length(const Record& record, size_t available) {
  available = std::min(available, kGuessesMax);
  if (available == 0 || cost_ms_[1] == 0) return 0;
  if (trials_ < kTrials) {
    ++trials_;
    return std::min(available, kTrialGuesses);
  }
  const double right = (record.right + 1) / (record.guessed + 2);
  size_t best = 0;
  double best_speed = kGainMin / CostMs(1);
  double expected = 1;
  double all_right = 1;
  for (size_t guesses = 1; guesses <= available; ++guesses) {
    all_right *= right;
    expected += all_right;
    const double speed = expected / CostMs(guesses + 1);
    if (speed > best_speed) {
      best = guesses;
      best_speed = speed;
    }
  }
  if (best > 0) {
    passed_ = 0;
    patience_ = kPatienceMin;
  } else if (++passed_ >= patience_) {
    passed_ = 0;
    patience_ = std::min(2 * patience_, kPatienceMax);
    best = std::min<size_t>(available, 2);
  }
  return best;
}

// Follows what is quickest at once, what is slower only slowly: other work on the machine makes single batches slow.
void LookupGate::TookMs(size_t tokens, double ms) {
  if (tokens >= cost_ms_.size() || ms <= 0) return;
  double& cost = cost_ms_[tokens];
  cost = cost == 0 || ms < cost ? ms : cost + 0.05 * (ms - cost);
}

void LookupGate::Counted(Record& record, size_t guessed, size_t right) {
  // What comes after a wrong guess is not known to be wrong.
  const double counted = static_cast<double>(std::min(guessed, right + 1));
  for (Record* one : {&record, &all_}) {
    one->guessed += counted;
    one->right += static_cast<double>(right);
    if (one->guessed > 256) {
      one->guessed /= 2;
      one->right /= 2;
    }
  }
}

// Between two sizes that are known by a line, beyond the largest as if each token cost as much.
double LookupGate::CostMs(size_t tokens) const {
  if (cost_ms_[tokens] > 0) return cost_ms_[tokens];
  size_t below = tokens;
  while (cost_ms_[below] == 0) --below;
  size_t above = tokens;
  while (above < cost_ms_.size() && cost_ms_[above] == 0) ++above;
  const double low = cost_ms_[below];
  if (above == cost_ms_.size()) return low * static_cast<double>(tokens) / static_cast<double>(below);
  const double share = static_cast<double>(tokens - below) / static_cast<double>(above - below);
  return low + share * (cost_ms_[above] - low);
}

}  // namespace ragtime
