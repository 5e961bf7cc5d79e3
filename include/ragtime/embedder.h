// SPDX-License-Identifier: Apache-2.0
//
// An Embedder turns texts into vectors whose inner product says how near two meanings are.
//
// Threads: every method may be called concurrently; calls may wait for each other.
// Errors: kUnavailable where the model or its server cannot be reached.
#ifndef RAGTIME_EMBEDDER_H_
#define RAGTIME_EMBEDDER_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

// Models such as e5 were trained with another prefix for each.
enum class TextKind { kQuery, kPassage };

struct EmbedderInfo {
  std::string model;        // "multilingual-e5-small"
  std::string fingerprint;  // Changes whenever the same text would get another vector; recorded in the knowledge base.
  size_t dimension = 0;
  size_t max_tokens = 0;  // A longer text is embedded in windows whose mean is taken, never cut.
  // Cosine above which a passage can be called related to a question, and below which nothing was found. Calibrated per
  // model.
  float found_threshold = 0.0f;
};

class Embedder {
 public:
  virtual ~Embedder() = default;
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  virtual const EmbedderInfo& info() const = 0;
  // Tokens of the text alone, without prefix and special tokens.
  virtual size_t CountTokens(std::string_view text) const = 0;
  // Returns texts.size() x dimension floats, row by row in the order given, each row of length 1.
  virtual Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts,
                                           TextKind kind) = 0;
  // Not OK: it works, but not as configured, e.g. by the second of its servers.
  virtual Status condition() const { return Status(); }

 protected:
  Embedder() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_EMBEDDER_H_
