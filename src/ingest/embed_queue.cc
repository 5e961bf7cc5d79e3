// SPDX-License-Identifier: Apache-2.0
#include "ingest/embed_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"

namespace ragtime {

EmbedQueue::EmbedQueue(std::string key, Embedder& embedder, const IngestLimits& limits)
    : key_(std::move(key)),
      embedder_(&embedder),
      interval_ms_(std::max<int64_t>(limits.commit_interval_ms, 1)),
      window_nodes_min_(limits.window_nodes_min),
      window_nodes_max_(limits.window_nodes_max),
      window_nodes_(limits.window_nodes_min) {}

void EmbedQueue::Add(PendingFile& file, size_t node) {
  ++file.missing;
  items_.push_back({&file, node});
}

Result<double> EmbedQueue::EmbedWindow(const Context& context) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  const Stopwatch stopwatch;
  const size_t count = std::min(window_nodes_, items_.size());
  std::vector<std::string> texts;
  texts.reserve(count);
  for (size_t i = 0; i < count; ++i) texts.push_back(items_[i].get().node.text);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                           embedder_->Embed(context.InBackground(), texts, TextKind::kPassage));
  const std::string& model = embedder_->info().model;
  const size_t dimension = embedder_->info().dimension;
  if (dimension == 0 || vectors.size() != count * dimension) {
    return InternalError(StrCat("the embedder ", model, " of dimension ", dimension, " gave ", vectors.size(),
                                " numbers for this many nodes: ", count),
                         "choose another model");
  }
  for (size_t i = 0; i < count; ++i) {
    const float* const row = vectors.data() + i * dimension;
    NewNode& node = items_[i].get();
    if (!std::all_of(row, row + dimension, [](float value) { return std::isfinite(value); })) {
      return InternalError(StrCat("the embedder ", model, " gave a vector that is not finite for node ",
                                  node.node.position, " of ", items_[i].file->write.file.file_path),
                           "choose another model, or another precision of it");
    }
    (key_.empty() ? node.vector : node.named[key_]).assign(row, row + dimension);
    --items_[i].file->missing;
  }
  items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(count));
  const double elapsed_ms = stopwatch.ElapsedMs();
  const double per_interval =
      static_cast<double>(count * static_cast<size_t>(interval_ms_)) / std::max(elapsed_ms, 1e-3);
  window_nodes_ = static_cast<size_t>(
      std::clamp(per_interval, static_cast<double>(window_nodes_min_), static_cast<double>(window_nodes_max_)));
  return elapsed_ms;
}

}  // namespace ragtime
