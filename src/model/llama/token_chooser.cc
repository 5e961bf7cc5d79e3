// SPDX-License-Identifier: Apache-2.0
#include "model/llama/token_chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "model/llama/json_grammar.h"

namespace ragtime {

TokenChooser::TokenChooser(BatchModel& model, const GenerationRequest& request, ThinkingLimit thinking, uint32_t seed)
    : model_(model),
      filter_(request.passage_count),
      passage_count_(request.passage_count),
      close_(std::move(thinking.close)),
      trace_(close_.empty() ? SIZE_MAX : thinking.tokens_max, thinking.open) {
  if (request.json_schema) {
    // Whoever asks has checked the schema.
    if (const Result<std::string> grammar = JsonGrammar(*request.json_schema); grammar.ok()) {
      grammar_ = model.MakeGrammar(*grammar);
    }
  }
  if (request.temperature <= 0) return;
  chain_ = llama_sampler_chain_init(llama_sampler_chain_default_params());
  // llama.cpp's own defaults of the two cuts.
  llama_sampler_chain_add(chain_, llama_sampler_init_top_k(40));
  llama_sampler_chain_add(chain_, llama_sampler_init_top_p(0.95f, 1));
  llama_sampler_chain_add(chain_, llama_sampler_init_temp(request.temperature));
  llama_sampler_chain_add(chain_, llama_sampler_init_dist(seed));
}

TokenChooser::~TokenChooser() {
  if (chain_ != nullptr) llama_sampler_free(chain_);
  if (grammar_ != nullptr) llama_sampler_free(grammar_);
}

std::optional<Token> TokenChooser::Next(std::span<float> scores, std::string& piece) {
  if (const std::optional<Token> forced = Forced()) {
    piece = model_.Piece(*forced);
    trace_.Take(piece);
    return forced;
  }
  for (int tries = 0;; ++tries) {
    const Token token = Choose(scores);
    const bool ends = model_.EndsGeneration(token);
    piece = ends ? "" : model_.Piece(token);
    if (Allows(token, ends, piece)) {
      if (ends) return std::nullopt;
      filter_.Take(piece);
      if (grammar_ != nullptr) llama_sampler_accept(grammar_, token);
      trace_.Take(piece);
      return token;
    }
    scores[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
    if (tries == 8 && !ForbidAllThatIsNotAllowed(scores)) return std::nullopt;
  }
}

std::optional<Token> TokenChooser::Forced() {
  const bool closing = closed_ > 0 || trace_.used_up();
  if (!closing || closed_ == close_.size()) return std::nullopt;
  // A marker that was begun within a thought ends with it.
  filter_ = MarkerFilter(passage_count_);
  return close_[closed_++];
}

Token TokenChooser::Choose(std::span<const float> scores) {
  if (chain_ == nullptr) {
    return static_cast<Token>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
  candidates_.resize(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) candidates_[i] = {static_cast<llama_token>(i), scores[i], 0.0f};
  llama_token_data_array array = {candidates_.data(), candidates_.size(), -1, false};
  llama_sampler_apply(chain_, &array);
  return array.data[std::max<int64_t>(0, array.selected)].id;
}

bool TokenChooser::Allows(Token token, bool ends, const std::string& piece) const {
  if (!(ends ? filter_.MayEnd() : filter_.Allows(piece))) return false;
  if (grammar_ == nullptr) return true;
  llama_token_data candidate = {token, 0.0f, 0.0f};
  llama_token_data_array array = {&candidate, 1, -1, false};
  llama_sampler_apply(grammar_, &array);
  return std::isfinite(candidate.logit);
}

bool TokenChooser::ForbidAllThatIsNotAllowed(std::span<float> scores) {
  if (grammar_ != nullptr) {
    candidates_.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) candidates_[i] = {static_cast<llama_token>(i), scores[i], 0.0f};
    llama_token_data_array array = {candidates_.data(), candidates_.size(), -1, false};
    llama_sampler_apply(grammar_, &array);
    for (const llama_token_data& candidate : candidates_) scores[static_cast<size_t>(candidate.id)] = candidate.logit;
  }
  const std::vector<std::string>& pieces = model_.Pieces();
  bool any = false;
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool ends = model_.EndsGeneration(static_cast<Token>(i));
    // An empty piece would be allowed for ever and lead nowhere.
    if (ends ? filter_.MayEnd() : !pieces[i].empty() && filter_.Allows(pieces[i])) {
      any = any || std::isfinite(scores[i]);
    } else {
      scores[i] = -std::numeric_limits<float>::infinity();
    }
  }
  return any;
}

}  // namespace ragtime
