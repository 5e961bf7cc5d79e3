// SPDX-License-Identifier: Apache-2.0
//
// OpenAiGenerator asks any server that speaks OpenAI's chat completions: vLLM, LMDeploy, Ollama, llama-server, DeepSeek
// ...
//
// Threads: every method may be called concurrently.
// Errors: those of OpenAiServers. What may pass by itself is tried again, and at the next server, until the first token
// has come; a stream that has begun is never continued by another.
#ifndef RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_
#define RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "model/answer_stream.h"
#include "model/openai/completion_stream.h"
#include "model/openai/openai_servers.h"
#include "ragtime/generator.h"
#include "wire/http_client.h"
#include "wire/retry.h"

namespace ragtime {

struct OpenAiGeneratorOptions {
  std::string base_url;  // "http://127.0.0.1:8000/v1", or several of them with commas between.
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";  // Read at each call; where it is not set, no key is sent.
  size_t context_tokens = 4096;
  size_t requests_max = 32;         // Under way at once; more wait, client by client in turn.
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

  // Requests that wait and run.
  GeneratorStatistics statistics() const override;

 private:
  OpenAiGenerator(OpenAiGeneratorOptions options, std::unique_ptr<OpenAiServers> servers);
  OpenAiServers::Attempt Try(const Context& context, const HttpRequest& http, std::string_view key,
                             AnswerStream& answer, std::unique_ptr<CompletionStream>& stream);

  const OpenAiGeneratorOptions options_;
  GeneratorInfo info_;
  const std::unique_ptr<OpenAiServers> servers_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_OPENAI_GENERATOR_H_
