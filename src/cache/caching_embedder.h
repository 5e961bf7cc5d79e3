// SPDX-License-Identifier: Apache-2.0
//
// CachingEmbedder asks a cache for the vectors of texts before it asks the model: those of questions, of passages that
// another process or an earlier ingestion embedded, of sentences that an answer is chosen from.
//
// A vector is known by the model's fingerprint, the kind of text and the text, and by no knowledge base.
//
// Threads: every method may be called concurrently. Errors: the model's.
#ifndef RAGTIME_CACHE_CACHING_EMBEDDER_H_
#define RAGTIME_CACHE_CACHING_EMBEDDER_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_namespace.h"
#include "ragtime/embedder.h"

namespace ragtime {

class CachingEmbedder final : public Embedder {
 public:
  CachingEmbedder(std::shared_ptr<Embedder> model, std::shared_ptr<Cache> cache, int64_t ttl_s);

  const EmbedderInfo& info() const override { return model_->info(); }
  size_t CountTokens(std::string_view text) const override { return model_->CountTokens(text); }
  Status condition() const override { return model_->condition(); }
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override;

 private:
  const std::shared_ptr<Embedder> model_;
  const CacheNamespace vectors_;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_CACHING_EMBEDDER_H_
