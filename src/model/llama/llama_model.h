// SPDX-License-Identifier: Apache-2.0
//
// LlamaModel is a loaded GGUF file and the one context that computes with it: tokens in, the scores of the next token
// out.
//
// Threads: Tokenize and Piece may be called concurrently; every other method by one thread at a time.
// Errors: llama.cpp's own words end the message where it gave any.
#ifndef RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_
#define RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_

#include <llama.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/status.h"

struct ggml_threadpool;

namespace ragtime {

class LlamaModel {
 public:
  static Result<std::unique_ptr<LlamaModel>> Load(const std::filesystem::path& gguf);
  LlamaModel(const LlamaModel&) = delete;
  LlamaModel& operator=(const LlamaModel&) = delete;
  ~LlamaModel();

  // A conversation in the model's own format, ready to be answered.
  struct Prompt {
    std::vector<llama_token> tokens;
    bool opens_think = false;  // The format itself has written <think>.
  };
  // What a message holds is text and nothing else: words in it that look like the format's own marks stay words.
  Result<Prompt> BuildPrompt(std::span<const ChatMessage> messages) const;
  // `parse_special`: names of special tokens in the text become those tokens.
  std::vector<llama_token> Tokenize(std::string_view text, bool parse_special) const;
  // The bytes of a token; none for a control token.
  std::string Piece(llama_token token) const;
  bool EndsGeneration(llama_token token) const { return llama_vocab_is_eog(vocab_, token); }
  size_t vocabulary_size() const { return static_cast<size_t>(llama_vocab_n_tokens(vocab_)); }
  // The pieces of the whole vocabulary, made at the first call.
  const std::vector<std::string>& Pieces();

  // Makes the context, once. `tokens_max` is lowered to what the model was trained with.
  Status StartContext(size_t tokens_max, size_t threads);
  size_t context_tokens() const { return context_tokens_; }

  // Brings the context to hold exactly `prompt`, keeping the longest beginning that it holds already, and returns how
  // many tokens were kept. At least one is computed, so that there are scores.
  Result<size_t> SetPrompt(const Context& request, std::span<const llama_token> prompt);
  // Appends a token.
  Status Append(const Context& request, llama_token token);
  size_t tokens_held() const { return held_.size(); }
  // The score of each token to come next; may be changed by the caller until the next call.
  std::span<float> Scores();

 private:
  LlamaModel() = default;
  Status Decode(const Context& request, std::span<const llama_token> tokens);
  void KeepOnly(size_t tokens);

  llama_model* model_ = nullptr;
  const llama_vocab* vocab_ = nullptr;
  ggml_threadpool* threads_ = nullptr;
  llama_context* context_ = nullptr;
  size_t context_tokens_ = 0;
  const Context* request_ = nullptr;  // Of the computation under way, for llama.cpp's abort callback.
  std::vector<llama_token> held_;     // What the context's sequence 0 holds.
  std::vector<std::string> pieces_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_
