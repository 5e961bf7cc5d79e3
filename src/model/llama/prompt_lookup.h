// SPDX-License-Identifier: Apache-2.0
//
// Prompt lookup decoding: tokens that followed the same words earlier, in the passages or in the answer, are guessed
// and computed in one batch with the next one, where that was measured to be sooner.
//
// An answer about a text repeats much of it, and a batch of a few tokens costs less than as many batches of one where
// reading the weights is what takes the time. Where computing is (few cores, a small model), it costs more; so the time
// of each size of batch and the share of right guesses decide. Source: Leviathan et al. 2023 (arXiv 2211.17192),
// section 3, for the expected number of tokens; the guesses are those of prompt lookup decoding (Saxena 2023).
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_LLAMA_PROMPT_LOOKUP_H_
#define RAGTIME_MODEL_LLAMA_PROMPT_LOOKUP_H_

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "model/llama/batch_model.h"

namespace ragtime {

// The most that is guessed at once.
inline constexpr size_t kGuessesMax = 8;

// At most `most` tokens that followed the last four of `tokens`, or three, or two, where these stand last before.
std::vector<Token> GuessTokens(std::span<const Token> tokens, size_t most);

// Decides how much is guessed, by what guessing has cost and brought so far.
class LookupGate {
 public:
  LookupGate();

  // How often guesses were right: of one request, which starts with what is known of all.
  struct Record {
    double guessed = 0;
    double right = 0;
  };
  Record StartOf() const;

  // How many of `available` guesses are computed with the next token; 0: none. The first few chances are taken to find
  // out what a batch costs, and one after 64 that were let pass, in case the text has changed its nature; each that was
  // taken in vain doubles that number. So guessing costs next to nothing where it never pays.
  size_t Length(const Record& record, size_t available);
  // A batch of that many tokens of one answer took so long.
  void TookMs(size_t tokens, double ms);
  void Counted(Record& record, size_t guessed, size_t right);

 private:
  double CostMs(size_t tokens) const;

  std::array<double, kGuessesMax + 2> cost_ms_{};  // By tokens; 0: not known.
  size_t trials_ = 0;
  size_t passed_ = 0;  // Chances since the last guess.
  size_t patience_;
  Record all_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_PROMPT_LOOKUP_H_
