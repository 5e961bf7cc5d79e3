// SPDX-License-Identifier: Apache-2.0
//
// OpenAiEmbedder has texts embedded by any server that speaks OpenAI's /embeddings: vLLM, Ollama, llama-server,
// OpenAI ... Several servers stand for each other only where they have the same model: each is compared, before its
// first vector is used, by the vector of one text.
//
// Threads: every method may be called concurrently; the requests of one call run side by side.
// Errors: those of OpenAiServers; kFailedPrecondition where a server has another model, or none that embeds; kDataLoss
// where vectors are missing, of another dimension, or not finite.
#ifndef RAGTIME_MODEL_OPENAI_OPENAI_EMBEDDER_H_
#define RAGTIME_MODEL_OPENAI_OPENAI_EMBEDDER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/openai/openai_servers.h"
#include "ragtime/embedder.h"

namespace ragtime {

struct OpenAiEmbedderOptions {
  std::string base_url;  // "http://127.0.0.1:8000/v1", or several of them with commas between.
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";
  std::string query_prefix;  // Put in front of every text, as the model was trained.
  std::string passage_prefix;
  bool base64 = false;      // How vectors are asked for. Either form is taken.
  size_t dimensions = 0;    // To ask for, of a model that can be cut; 0: all it has.
  size_t max_tokens = 512;  // Of one input, estimated. A longer text is embedded in parts.
  size_t batch = 32;        // Texts of one request.
  size_t parallel = 4;      // Requests under way at once.
  float found_threshold = 0;
  std::string fingerprint;     // What the knowledge base records of its vectors; "": nothing yet.
  int64_t timeout_ms = 60000;  // Of a request, its retries included.
  int64_t connect_timeout_ms = 10000;
  RetryPolicy retry;
};

class OpenAiEmbedder final : public Embedder {
 public:
  // Asks the server for one vector, to learn its dimension, unless `fingerprint` is of this model and these options.
  static Result<std::unique_ptr<OpenAiEmbedder>> Open(const Context& context, OpenAiEmbedderOptions options);

  const EmbedderInfo& info() const override { return info_; }
  // Estimated from above, as the tokenizer is the server's own.
  size_t CountTokens(std::string_view text) const override;
  // A text that is too long is embedded in parts, each with the prefix; so is one that the server finds too long all
  // the same. Its vector is the mean of theirs, by their tokens.
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override;
  Status condition() const override;

 private:
  // A part of a text, and where its vector goes.
  struct Part {
    size_t text = 0;
    std::string_view words;
    std::vector<float> vector = {};  // Of length 1.
  };

  OpenAiEmbedder(OpenAiEmbedderOptions options, std::unique_ptr<OpenAiServers> servers);
  Status LearnModel(const Context& context);
  Status EmbedParts(const Context& context, std::string_view prefix, std::span<Part> parts);
  Status EmbedInHalves(const Context& context, std::string_view prefix, std::span<Part> parts, const Status& failure);
  // One request. `inputs` to vectors, of which the first is of the text to compare by where `compares`.
  Result<std::vector<std::vector<float>>> Request(const Context& context, const std::vector<std::string>& inputs,
                                                  bool compares);
  Status CheckServer(size_t server, std::span<const float> vector);
  std::string Settings() const;
  ThreadPool& Pool();

  const OpenAiEmbedderOptions options_;
  const std::unique_ptr<OpenAiServers> servers_;
  EmbedderInfo info_;                        // Constant once it is open.
  std::string sketch_;                       // The same. Of the vector to compare by.
  std::vector<std::atomic<bool>> compared_;  // By server.
  std::atomic<size_t> last_server_ = 0;      // That answered.
  mutable std::mutex mutex_;
  std::string warning_;               // Guarded by mutex_. That another server than the first answered last.
  std::unique_ptr<ThreadPool> pool_;  // Guarded by mutex_ until it is made. Null as long as one request was enough.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_OPENAI_EMBEDDER_H_
