// SPDX-License-Identifier: Apache-2.0
//
// ScriptedEmbedder needs no weights: it hashes the words and CJK bigrams of a text into buckets, so that texts which
// share words are near each other. The same text has the same vector everywhere and always. For tests.
//
// Threads: every method may be called concurrently.
// Errors: those of options.fail, and the context's.
#ifndef RAGTIME_MODEL_SCRIPTED_SCRIPTED_EMBEDDER_H_
#define RAGTIME_MODEL_SCRIPTED_SCRIPTED_EMBEDDER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/embedder.h"

namespace ragtime {

struct ScriptedEmbedderOptions {
  std::string model = "scripted";
  size_t dimension = 256;
  size_t max_tokens = 512;
  // Unrelated texts of 20 words score below it and texts that share a third of their words above (scripted_test.cc).
  float found_threshold = 0.25f;
  int64_t delay_ms = 0;  // Of every call, ended early by the context.
  // Asked before every call; what it returns, unless OK, is the call's result.
  std::function<Status(std::span<const std::string> texts)> fail;
};

class ScriptedEmbedder final : public Embedder {
 public:
  explicit ScriptedEmbedder(ScriptedEmbedderOptions options = {});

  const EmbedderInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override;
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override;

  size_t calls() const { return calls_; }           // Of Embed, the failed ones too.
  size_t texts_embedded() const { return texts_; }  // By calls that succeeded.

 private:
  const ScriptedEmbedderOptions options_;
  EmbedderInfo info_;
  std::atomic<size_t> calls_{0};
  std::atomic<size_t> texts_{0};
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_SCRIPTED_SCRIPTED_EMBEDDER_H_
