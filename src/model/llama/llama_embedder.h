// SPDX-License-Identifier: Apache-2.0
//
// An Embedder that llama.cpp runs, over any GGUF file of an embedding model. Opening reads the file's header and its
// vocabulary; weights are loaded by the first Embed.
//
// Threads: every method may be called concurrently; calls wait for each other.
// Errors: kDataLoss for a damaged file, kInvalidArgument for one that holds no embedding model.
#ifndef RAGTIME_MODEL_LLAMA_LLAMA_EMBEDDER_H_
#define RAGTIME_MODEL_LLAMA_LLAMA_EMBEDDER_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "base/thread_budget.h"
#include "ragtime/embedder.h"
#include "ragtime/status.h"
#include "text/tokenizer.h"

namespace ragtime {

struct LlamaEmbedderOptions {
  std::filesystem::path gguf;
  std::string model;        // Empty: the file's own name of the model, else the file's name.
  std::string fingerprint;  // Empty: made from the file.
  std::string query_prefix, passage_prefix;
  float found_threshold = 0.0f;
  size_t max_tokens = 0;                 // 0: what the model takes, at most 2048.
  size_t threads = 0;                    // 0: one per core.
  std::shared_ptr<ThreadBudget> budget;  // What they are taken from; null: nothing.
  // Where the file has no vocabulary of its own, as encoder.gguf of a model folder.
  std::shared_ptr<const Tokenizer> tokenizer;
};

Result<std::unique_ptr<Embedder>> OpenLlamaEmbedder(LlamaEmbedderOptions options);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_LLAMA_EMBEDDER_H_
