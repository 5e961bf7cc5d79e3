// SPDX-License-Identifier: Apache-2.0
//
// ScriptedGenerator needs no weights: it answers from a list, or by a function of the request. For tests.
//
// Threads: every method may be called concurrently; replies of a list are handed out in the order of the calls.
// Errors: those that the script asks for, and the context's.
#ifndef RAGTIME_MODEL_SCRIPTED_SCRIPTED_GENERATOR_H_
#define RAGTIME_MODEL_SCRIPTED_SCRIPTED_GENERATOR_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/generator.h"

namespace ragtime {

// One answer. It streams word by word, reasoning first.
struct ScriptedReply {
  std::string text;
  std::string reasoning;
  int64_t delay_ms = 0;           // Before each word, ended early by the context.
  Status error;                   // Unless OK, the call ends with it ...
  size_t words_before_error = 0;  // ... after that many words.
};

class ScriptedGenerator final : public Generator {
 public:
  using Script = std::function<ScriptedReply(const GenerationRequest& request)>;

  explicit ScriptedGenerator(Script script, GeneratorInfo info = DefaultInfo());
  // One reply a call; the last one is repeated.
  explicit ScriptedGenerator(std::vector<ScriptedReply> replies, GeneratorInfo info = DefaultInfo());
  explicit ScriptedGenerator(std::string text);

  static GeneratorInfo DefaultInfo();

  const GeneratorInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override;
  Result<GenerationResult> Generate(const Context& context, const GenerationRequest& request,
                                    const OnToken& on_token) override;

  // Of all calls so far, in their order.
  std::vector<GenerationRequest> requests() const;
  size_t calls() const;

 private:
  ScriptedReply NextReply(const GenerationRequest& request);

  const GeneratorInfo info_;
  const Script script_;  // Null: replies_.
  const std::vector<ScriptedReply> replies_;
  mutable std::mutex mutex_;
  std::vector<GenerationRequest> requests_;  // Guarded by mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_SCRIPTED_SCRIPTED_GENERATOR_H_
