// SPDX-License-Identifier: Apache-2.0
//
// LlamaModel is a loaded GGUF file and the one context that computes with it, as a BatchModel.
//
// Threads: BuildPrompt and Tokenize may be called concurrently too.
// Errors: llama.cpp's own words end the message where it gave any.
#ifndef RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_
#define RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_

#include <llama.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/llama/batch_model.h"
#include "model/llama/key_turner.h"
#include "model/llama/llama_placement.h"
#include "model/llama/text_tokens.h"
#include "ragtime/generator.h"
#include "ragtime/status.h"

struct ggml_threadpool;

namespace ragtime {

class LlamaModel final : public BatchModel {
 public:
  // kFailedPrecondition: the placement asks for what this build or this machine does not have.
  static Result<std::unique_ptr<LlamaModel>> Load(const std::filesystem::path& gguf,
                                                  const LlamaPlacement& placement = {});
  ~LlamaModel() override;

  // A conversation in the model's own format, ready to be answered.
  struct Prompt {
    std::vector<llama_token> tokens;
    std::vector<TokenRange> chunks;
    size_t tail = 0;           // Tokens behind the last message.
    bool opens_think = false;  // The format itself has written <think>.
    std::vector<llama_token>
        close_think;  // What ends the thinking of a reasoning model; empty: it is none, or may not.
  };
  // What a message holds is text and nothing else: words in it that look like the format's own marks stay words.
  // `chunks`: of the last message, each turned into tokens of its own. `may_think` false: a reasoning model is told
  // that it has thought.
  Result<Prompt> BuildPrompt(std::span<const ChatMessage> messages, std::span<const Span> chunks = {},
                             bool may_think = true) const;
  // `parse_special`: names of special tokens in the text become those tokens.
  std::vector<llama_token> Tokenize(std::string_view text, bool parse_special) const;
  // What the model was trained with, at most `tokens_max`.
  size_t ContextTokens(size_t tokens_max) const;
  uint64_t WeightBytes() const { return llama_model_size(model_); }

  // What llama.cpp calls before and behind each operation, see ggml_backend_sched_eval_callback. Before StartContext.
  void Observe(bool (*observer)(ggml_tensor*, bool, void*), void* data) {
    observer_ = observer;
    observer_data_ = data;
  }
  // Makes the context, once. It must be there before any method below is called.
  Status StartContext(size_t cells, size_t sequences, size_t threads);
  // To write with, token after token, and to read with; at most those that the context was started with.
  void SetThreads(size_t threads, size_t read_threads);
  bool has_context() const { return context_ != nullptr; }
  // The same weights and threads with a context of its own. The two must not compute at the same time.
  Result<std::unique_ptr<LlamaModel>> StartSecondContext(size_t cells, size_t sequences) const;
  // False where a part of it is on a GPU.
  bool computes_on_cpu() const { return on_cpu_; }

  // Whether a token gets the same bits whatever is computed beside it in a batch of fewer than 64 tokens
  // (tools/llama/).
  bool rounds_alike() const { return rounds_alike_; }

  size_t cells() const override { return cells_; }
  size_t sequences() const override { return sequences_; }
  bool keeps_beginnings() const override;
  std::string fingerprint() const override { return fingerprint_; }
  size_t vocabulary_size() const override { return static_cast<size_t>(llama_vocab_n_tokens(vocab_)); }
  // The bytes of a token; none for a control token, unless it opens or closes thinking.
  std::string Piece(Token token) const override;
  const std::vector<std::string>& Pieces() override;  // Made at the first call.
  bool EndsGeneration(Token token) const override { return llama_vocab_is_eog(vocab_, token); }
  Status Compute(std::span<const BatchToken> batch, const std::function<bool()>& abort) override;
  std::span<float> Scores(size_t index) override;
  void Forget(int sequence, size_t position) override;
  void Share(int from, int to, size_t start, size_t end) override;
  Result<std::vector<std::byte>> SaveState(int sequence) override;
  Status LoadState(int sequence, std::span<const std::byte> state) override;
  llama_sampler* MakeGrammar(const std::string& grammar) const override;
  bool moves() const override;
  Status LoadMoved(int sequence, std::span<const std::byte> state, ptrdiff_t by) override;
  // Whether LoadMoved turns the keys itself. At the first call it finds out whether that gives what llama.cpp's own
  // turning gives; where it does not, that is used.
  bool turns_keys() const { return turner_checked_ && turner_.has_value(); }

 private:
  LlamaModel() = default;

  Status MakeContext(size_t cells, size_t sequences);
  void CheckTurner(int sequence, std::span<const std::byte> state);

  static constexpr size_t kTextBytesMax = 4 << 20;

  mutable TextTokens texts_{kTextBytesMax};
  std::shared_ptr<llama_model> weights_;
  llama_model* model_ = nullptr;  // Of weights_.
  const llama_vocab* vocab_ = nullptr;
  bool keeps_bytes_ = false;  // Keys and values as q8_0 instead of f16.
  bool on_cpu_ = true;
  bool rounds_alike_ = false;
  size_t thread_count_ = 0;
  std::shared_ptr<ggml_threadpool> threads_;
  llama_context* context_ = nullptr;
  size_t cells_ = 0;
  size_t sequences_ = 0;
  std::string fingerprint_;
  llama_token think_open_ = LLAMA_TOKEN_NULL;  // Where <think> and </think> are tokens of their own.
  llama_token think_close_ = LLAMA_TOKEN_NULL;
  bool (*observer_)(ggml_tensor*, bool, void*) = nullptr;
  void* observer_data_ = nullptr;
  const std::function<bool()>* abort_ = nullptr;  // Of the computation under way, for llama.cpp's callback.
  std::vector<std::string> pieces_;
  std::optional<KeyTurner> turner_;
  bool turner_checked_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_LLAMA_MODEL_H_
