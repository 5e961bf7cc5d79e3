// SPDX-License-Identifier: Apache-2.0
//
// TokenChooser chooses each next token by the scores: the best one, or one at random by temperature, among those that
// the markers and the grammar of an answer in JSON allow. A token is chosen first and checked then, so that a forbidden
// one costs only when it comes.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_LLAMA_TOKEN_CHOOSER_H_
#define RAGTIME_MODEL_LLAMA_TOKEN_CHOOSER_H_

#include <llama.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/llama/batch_model.h"
#include "model/marker_filter.h"
#include "model/thinking_trace.h"
#include "ragtime/generator.h"

namespace ragtime {

// How long a reasoning model may think.
struct ThinkingLimit {
  size_t tokens_max = 0;
  bool open = false;         // The prompt has written <think>.
  std::vector<Token> close;  // What is written for the model when it has thought for long enough; empty: no limit.
};

class TokenChooser {
 public:
  TokenChooser(BatchModel& model, const GenerationRequest& request, ThinkingLimit thinking, uint32_t seed);
  TokenChooser(const TokenChooser&) = delete;
  TokenChooser& operator=(const TokenChooser&) = delete;
  ~TokenChooser();

  // The next token and its text; `scores` are changed. nullopt: the generation ends here.
  std::optional<Token> Next(std::span<float> scores, std::string& piece);

 private:
  // The next token of what closes the thinking; nullopt: the model has the word.
  std::optional<Token> Forced();
  Token Choose(std::span<const float> scores);
  bool Allows(Token token, bool ends, const std::string& piece) const;
  // False if no token is left.
  bool ForbidAllThatIsNotAllowed(std::span<float> scores);

  BatchModel& model_;
  MarkerFilter filter_;
  const size_t passage_count_;
  const std::vector<Token> close_;
  size_t closed_ = 0;  // Of close_, written.
  ThinkingTrace trace_;
  llama_sampler* chain_ = nullptr;
  llama_sampler* grammar_ = nullptr;  // Of an answer in JSON.
  std::vector<llama_token_data> candidates_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_TOKEN_CHOOSER_H_
