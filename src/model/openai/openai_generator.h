// SPDX-License-Identifier: Apache-2.0
//
// OpenAiGenerator asks any server that speaks OpenAI's chat completions: vLLM, LMDeploy, Ollama, llama-server, DeepSeek
// ...
//
// Threads: every method may be called concurrently.
// Errors: kUnavailable (no server, or it fails, is busy, falls silent or breaks off), kPermissionDenied (the key),
// kNotFound (the model or the address), kResourceExhausted (the prompt does not fit), kInvalidArgument (refused
// request), kFailedPrecondition (what answers is no such server), kDataLoss (a malformed stream). What may pass by
// itself is tried again until the first token has come. The key stands in no message.
#ifndef RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_
#define RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/answer_stream.h"
#include "model/openai/completion_stream.h"
#include "ragtime/generator.h"
#include "wire/http_client.h"
#include "wire/retry.h"

namespace ragtime {

struct OpenAiGeneratorOptions {
  std::string base_url;  // "http://127.0.0.1:8000/v1"
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";  // Read at each call; where it is not set, no key is sent.
  size_t context_tokens = 4096;
  int64_t timeout_ms = 120000;      // Of a whole call, its retries included.
  int64_t idle_timeout_ms = 60000;  // Longest silence; a long prompt may keep a server silent for many seconds.
  int64_t connect_timeout_ms = 10000;
  // The server's chat template writes <think> itself (DeepSeek-R1 without a reasoning parser): text up to </think> is
  // reasoning.
  bool template_opens_think = false;
  RetryPolicy retry;
};

class OpenAiGenerator final : public Generator {
 public:
  // Does not reach for the server. kInvalidArgument: base_url or model is missing or malformed.
  static Result<std::unique_ptr<OpenAiGenerator>> Create(OpenAiGeneratorOptions options);

  const GeneratorInfo& info() const override { return info_; }
  // Estimated from above, as the tokenizer is the server's own.
  size_t CountTokens(std::string_view text) const override;
  Result<GenerationResult> Generate(const Context& context, const GenerationRequest& request,
                                    const OnToken& on_token) override;

 private:
  struct Attempt {
    Status status;
    std::optional<int64_t> retry_after_ms;
    bool final = false;  // Not to be tried again, whatever the code.
    std::unique_ptr<CompletionStream> stream;
  };

  explicit OpenAiGenerator(OpenAiGeneratorOptions options);
  Attempt Try(const Context& context, const HttpRequest& http, std::string_view key, AnswerStream& answer);
  Status StatusOfAnswer(int code, std::string_view location, std::string_view body, std::string_view key) const;
  Status Explain(const Status& status) const;

  const OpenAiGeneratorOptions options_;
  GeneratorInfo info_;
  HttpClient client_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_
