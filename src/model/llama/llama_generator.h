// SPDX-License-Identifier: Apache-2.0
//
// LlamaGenerator runs a language model of a GGUF file in this process, with llama.cpp. The weights are mapped at the
// first call that needs them; what a prompt shares with earlier ones is not computed again.
//
// Threads: every method may be called concurrently; generations share the batches of one Scheduler.
// Errors: kNotFound and kDataLoss name the model's file; kResourceExhausted: the prompt is longer than the context.
#ifndef RAGTIME_MODEL_LLAMA_LLAMA_GENERATOR_H_
#define RAGTIME_MODEL_LLAMA_LLAMA_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/thread_budget.h"
#include "model/llama/llama_placement.h"
#include "ragtime/generator.h"

namespace ragtime {

class LlamaModel;
class Scheduler;

struct LlamaGeneratorOptions {
  std::filesystem::path model_path;  // A folder with a model.json, or a .gguf file.
  size_t context_tokens = 4096;      // At most what the model was trained with.
  // Tokens that all generations hold together; less than context_tokens means as many.
  size_t kv_tokens = 0;
  size_t parallel = 8;                      // Generations that run at once; more wait.
  uint64_t kv_memory_bytes = 256ull << 20;  // Saved states of prompts in memory, and in kv_folder ("": none).
  uint64_t kv_disk_bytes = 1ull << 30;
  std::filesystem::path kv_folder;
  LlamaPlacement placement;
  bool reuse = true;                  // False: every prompt is computed whole, to compare with.
  std::string prompt_lookup = "off";  // off | exact (where LlamaModel::rounds_alike) | auto, see SchedulerOptions.
  bool chunk_reuse = true;  // Join chunks where a record in kv_folder says that this was measured to do no harm.
  size_t threads = 0;       // 0: one per core.
  std::shared_ptr<ThreadBudget> budget;  // What they are taken from; null: nothing.
  size_t read_threads = 0;               // Of prompts; 0: as many.
  size_t batch_tokens = 0;               // Of a prompt, read at once, 128 to 512; 0: 512.
  uint32_t seed = 0;                     // Of sampling, where temperature > 0: the same request gets the same answer.
  // Guess at every chance, whether it pays or not, where prompt_lookup is on: to compare with.
  bool always_guesses = false;
};

class LlamaGenerator final : public Generator {
 public:
  // Looks at the files only; nothing is loaded.
  static Result<std::unique_ptr<LlamaGenerator>> Open(LlamaGeneratorOptions options);
  ~LlamaGenerator() override;

  // Languages are those of model.json; a bare .gguf file declares none.
  const GeneratorInfo& info() const override { return info_; }
  // Loads the model's vocabulary at its first call. Where that fails, an upper bound: the bytes.
  size_t CountTokens(std::string_view text) const override;
  // `on_token` must not call Generate of the same generator.
  Result<GenerationResult> Generate(const Context& context, const GenerationRequest& request,
                                    const OnToken& on_token) override;
  // Goes on from the last prompt that was saved in kv_folder, where there is one.
  Status Prepare(const Context& context, const std::vector<ChatMessage>& beginning) override;
  std::string prepared_prompt() const override;
  void Expect() override;
  GeneratorStatistics statistics() const override;
  Result<JoinComparison> CompareJoins(const Context& context, const GenerationRequest& request,
                                      std::span<const size_t> head_tokens) override;
  Status KeepJoinRecord(const JoinRecord& record) override;
  std::optional<JoinRecord> join_record() const override;

 private:
  LlamaGenerator(LlamaGeneratorOptions options, std::filesystem::path gguf, GeneratorInfo info);
  Result<LlamaModel*> Model() const;
  Result<Scheduler*> GetScheduler();
  // Takes a prompt that was made ready, and what the template writes behind a last message.
  void NotePrepared(std::span<const int32_t> prompt, std::span<const int32_t> tail);
  std::optional<JoinRecord> ReadJoinRecord(const std::string& fingerprint) const;

  const LlamaGeneratorOptions options_;
  const std::filesystem::path gguf_;
  const GeneratorInfo info_;
  mutable std::mutex load_mutex_;
  mutable std::unique_ptr<LlamaModel> model_;  // Guarded by load_mutex_ until it is set; never replaced.
  std::unique_ptr<LlamaModel> reading_model_;  // The same. Null where prompts are read among the others.
  std::unique_ptr<Scheduler> scheduler_;       // The same. Uses both.
  size_t join_head_tokens_ = 0;                // Set before scheduler_; 0: nothing is joined.
  std::vector<int32_t> prepared_;  // The prompt that Prepare went on from, but for its tail. Guarded by load_mutex_.
  std::once_flag expected_;
  std::jthread loading_;  // Ends before what it loads.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_LLAMA_GENERATOR_H_
