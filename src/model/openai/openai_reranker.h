// SPDX-License-Identifier: Apache-2.0
//
// OpenAiReranker orders texts by the scores of a cross-encoder behind /rerank as Jina, Cohere, vLLM and llama-server
// have it.
//
// Threads: Rerank may be called concurrently.
// Errors: those of OpenAiServers; kDataLoss where scores are missing or not finite.
#ifndef RAGTIME_MODEL_OPENAI_OPENAI_RERANKER_H_
#define RAGTIME_MODEL_OPENAI_OPENAI_RERANKER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/openai/openai_servers.h"
#include "ragtime/reranker.h"

namespace ragtime {

struct OpenAiRerankerOptions {
  std::string base_url;  // "http://127.0.0.1:8000/v1", or several of them with commas between.
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";
  size_t candidates = 50;   // The best so many are scored; the others do not stay.
  size_t max_tokens = 512;  // Of question and text together, estimated. Of a longer text the best part counts.
  int64_t timeout_ms = 10000;
  int64_t connect_timeout_ms = 3000;
  RetryPolicy retry = {.attempts_max = 2};
};

class OpenAiReranker final : public Reranker {
 public:
  // Reaches for no server. kInvalidArgument: the address or the model is missing or malformed.
  static Result<std::unique_ptr<OpenAiReranker>> Create(OpenAiRerankerOptions options);

  Result<std::vector<RankedCandidate>> Rerank(const Context& context, std::string_view question,
                                              std::span<const RerankCandidate> candidates) const override;

 private:
  OpenAiReranker(OpenAiRerankerOptions options, std::unique_ptr<OpenAiServers> servers)
      : options_(std::move(options)), servers_(std::move(servers)) {}

  const OpenAiRerankerOptions options_;
  const std::unique_ptr<OpenAiServers> servers_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_OPENAI_RERANKER_H_
