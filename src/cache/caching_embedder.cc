// SPDX-License-Identifier: Apache-2.0
#include "cache/caching_embedder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

namespace ragtime {
namespace {

std::string_view KindName(TextKind kind) { return kind == TextKind::kQuery ? "query" : "passage"; }

// Whether `bytes` are a vector that the model could have given; a cache may hold anything.
bool ReadVector(const std::string& bytes, std::span<float> vector) {
  if (bytes.size() != vector.size_bytes()) return false;
  std::memcpy(vector.data(), bytes.data(), bytes.size());
  return std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

CachingEmbedder::CachingEmbedder(std::shared_ptr<Embedder> model, std::shared_ptr<Cache> cache, int64_t ttl_s)
    : model_(std::move(model)), vectors_(std::move(cache), model_->info().fingerprint, "vector", ttl_s) {}

Result<std::vector<float>> CachingEmbedder::Embed(const Context& context, std::span<const std::string> texts,
                                                  TextKind kind) {
  const size_t dimension = model_->info().dimension;
  std::vector<float> vectors(texts.size() * dimension);
  const std::vector<std::optional<std::string>> kept = vectors_.FindMany(context, KindName(kind), texts);
  std::vector<size_t> missing;
  std::vector<std::string> missing_texts;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (kept[i] && ReadVector(*kept[i], std::span(vectors).subspan(i * dimension, dimension))) continue;
    missing.push_back(i);
    missing_texts.push_back(texts[i]);
  }
  if (missing.empty()) return vectors;
  RAGTIME_ASSIGN_OR_RETURN(std::vector<float> made, model_->Embed(context, missing_texts, kind));
  if (made.size() != missing.size() * dimension)
    return InternalError("the embedding model gave another number of vectors");
  std::vector<std::string> values;
  for (size_t i = 0; i < missing.size(); ++i) {
    const float* const row = made.data() + i * dimension;
    std::copy(row, row + dimension, vectors.data() + missing[i] * dimension);
    values.emplace_back(reinterpret_cast<const char*>(row), dimension * sizeof(float));
  }
  vectors_.KeepMany(context, KindName(kind), missing_texts, values);
  return vectors;
}

}  // namespace ragtime
