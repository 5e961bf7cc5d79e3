// SPDX-License-Identifier: Apache-2.0
#include "store/word_replica.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "base/files.h"
#include "base/str_cat.h"
#include "store/segment_builder.h"

namespace ragtime {
namespace {

constexpr char kSuffix[] = ".words";
// Nodes fetched and kept at once: some megabytes of text.
constexpr uint64_t kNodesPerFetch = 4096;
constexpr size_t kSegmentsMax = 8;
// Above it, a segment is left alone by merges unless most of it is dead.
constexpr uint32_t kSmallRows = 8192;

// Waits no longer than the request may.
// Not a timed_mutex, whose waiting ThreadSanitizer of GCC 12 does not see.
Status LockWithin(const Context& context, std::unique_lock<std::mutex>& lock) {
  while (!lock.try_lock()) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Status();
}

}  // namespace

WordReplica::WordReplica(IndexSet indexes, std::filesystem::path folder)
    : indexes_{.vector = std::move(indexes.vector),
               .keyword = std::move(indexes.keyword),
               .fields = nullptr,
               .chinese = std::move(indexes.chinese)},
      parent_(std::move(folder)) {}

std::filesystem::path WordReplica::FileOf(uint64_t id) const { return folder_ / StrCat(id, kSuffix); }

void WordReplica::Load(const RemoteState& state) {
  if (loaded_) return;
  loaded_ = true;
  if (parent_.empty()) return;
  folder_ = parent_ / state.Setting("uuid").value_or("none");
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    folder_.clear();
    return;
  }
  if (auto lock = WriterLock::Take(folder_ / "LOCK", 0); lock.ok()) lock_.emplace(*std::move(lock));
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() != kSuffix) {
      if (lock_ && path.filename() != "LOCK") std::filesystem::remove(path, error);  // What a crash left.
      continue;
    }
    const uint64_t id = std::strtoull(path.stem().c_str(), nullptr, 10);
    next_id_ = std::max(next_id_, id + 1);
    auto segment = Segment::OpenFile(path, id, Metric::kCosine, indexes_);
    if (segment.ok() && !(*segment)->outdated()) {
      kept_.push_back({id, *std::move(segment), true});
    } else if (lock_) {
      std::filesystem::remove(path, error);
    }
  }
  std::sort(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) { return a.id < b.id; });
}

void WordReplica::Forget() {
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) Remove(kept);
  kept_.clear();
  view_ = nullptr;
}

void WordReplica::Remove(const Kept& kept) {
  std::error_code error;
  if (kept.in_file && lock_) std::filesystem::remove(FileOf(kept.id), error);
}

Status WordReplica::Keep(const Context& context, std::span<const Node> nodes) {
  if (nodes.empty()) return Status();
  const uint64_t id = next_id_++;
  SegmentBuilder builder(id, 0, Metric::kCosine, indexes_);
  for (const Node& node : nodes) RAGTIME_RETURN_IF_ERROR(builder.Add(node, {}));
  RAGTIME_ASSIGN_OR_RETURN(const SegmentParts parts, builder.Finish(context));
  if (lock_) {
    const std::filesystem::path temporary = folder_ / StrCat(id, ".tmp");
    std::error_code error;
    if (parts.WriteFile(temporary).ok() && (std::filesystem::rename(temporary, FileOf(id), error), !error)) {
      if (auto segment = Segment::OpenFile(FileOf(id), id, Metric::kCosine, indexes_); segment.ok()) {
        kept_.push_back({id, *std::move(segment), true});
        return Status();
      }
    }
    std::filesystem::remove(temporary, error);
  }
  RAGTIME_ASSIGN_OR_RETURN(auto segment, Segment::OpenImage(SegmentImage::CopyOf(parts.ToImage()), StrCat("words ", id),
                                                            id, Metric::kCosine, indexes_));
  kept_.push_back({id, std::move(segment), false});
  return Status();
}

Result<std::map<DocumentId, WordReplica::Placed>> WordReplica::Place(const RemoteState& state) const {
  std::map<DocumentId, Placed> places;
  for (const Kept& kept : kept_) {
    for (uint32_t i = 0; i < kept.segment->document_count(); ++i) {
      RAGTIME_ASSIGN_OR_RETURN(const DocumentRows rows, kept.segment->document(i));
      const NodeRange range = state.RangeOf(rows.document_id);
      if (range.count == 0 || range.count != rows.row_count) continue;
      if (kept.segment->node_id(rows.first_row) != range.first) continue;
      places.try_emplace(rows.document_id, Placed{kept.segment.get(), rows});
    }
  }
  return places;
}

Result<std::shared_ptr<const WordReplica::View>> WordReplica::ViewOf(const Context& context, const RemoteState& state,
                                                                     const Fetch& fetch) {
  std::unique_lock lock(mutex_, std::defer_lock);
  RAGTIME_RETURN_IF_ERROR(LockWithin(context, lock));
  Load(state);
  if (view_ != nullptr && view_version_ == state.counters().version) return view_;
  std::vector<NodeRange> missing;
  {
    RAGTIME_ASSIGN_OR_RETURN(const auto places, Place(state));
    for (const auto& [id, first] : state.first_nodes()) {
      if (const NodeRange range = state.RangeOf(id); range.count > 0 && !places.contains(id)) missing.push_back(range);
    }
  }
  for (size_t i = 0; i < missing.size();) {
    uint64_t count = 0;
    const size_t start = i;
    while (i < missing.size() && (i == start || count + missing[i].count <= kNodesPerFetch))
      count += missing[i++].count;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Node> nodes, fetch(std::span(missing).subspan(start, i - start)));
    RAGTIME_RETURN_IF_ERROR(Keep(context, nodes));
  }
  // Merging for an old snapshot would drop what the newest state needs.
  if (state.counters().version >= newest_version_) RAGTIME_RETURN_IF_ERROR(MergeSmall(context, state));
  newest_version_ = std::max(newest_version_, state.counters().version);
  RAGTIME_ASSIGN_OR_RETURN(view_, MakeView(state));
  view_version_ = state.counters().version;
  return view_;
}

Status WordReplica::Add(const Context& context, const RemoteState& state, std::span<const NewNode> nodes) {
  std::unique_lock lock(mutex_, std::defer_lock);
  RAGTIME_RETURN_IF_ERROR(LockWithin(context, lock));
  Load(state);
  std::vector<Node> copies;
  copies.reserve(nodes.size());
  for (const NewNode& node : nodes) copies.push_back(node.node);
  RAGTIME_RETURN_IF_ERROR(Keep(context, copies));
  return MergeSmall(context, state);
}

Status WordReplica::MergeSmall(const Context& context, const RemoteState& state) {
  RAGTIME_ASSIGN_OR_RETURN(const auto places, Place(state));
  std::map<const Segment*, uint32_t> live;
  for (const auto& [id, placed] : places) live[placed.segment] += placed.rows.row_count;
  std::set<const Segment*> sources;
  size_t small = 0;
  for (const Kept& kept : kept_) small += kept.segment->rows() < kSmallRows ? 1 : 0;
  for (const Kept& kept : kept_) {
    const bool wasted = kept.segment->rows() >= kSmallRows && live[kept.segment.get()] < kept.segment->rows() / 2;
    if (wasted || (small > kSegmentsMax && kept.segment->rows() < kSmallRows)) sources.insert(kept.segment.get());
  }
  if (sources.empty()) return Status();
  std::vector<Node> nodes;
  std::map<const Segment*, TextBlockCache> caches;
  for (const auto& [id, placed] : places) {
    if (!sources.contains(placed.segment)) continue;
    for (uint32_t i = 0; i < placed.rows.row_count; ++i) {
      Result<Node> node = placed.segment->ReadNode(placed.rows.first_row + i, caches[placed.segment]);
      if (!node.ok()) return Status();  // A search that meets the damage has it all fetched again.
      nodes.push_back(*std::move(node));
    }
  }
  RAGTIME_RETURN_IF_ERROR(Keep(context, nodes));
  for (const Kept& kept : kept_) {
    if (sources.contains(kept.segment.get())) Remove(kept);
  }
  std::erase_if(kept_, [&sources](const Kept& kept) { return sources.contains(kept.segment.get()); });
  return Status();
}

Result<std::shared_ptr<const WordReplica::View>> WordReplica::MakeView(const RemoteState& state) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto places, Place(state));
  auto view = std::make_shared<View>();
  std::map<const Segment*, size_t> part_of;
  for (const Kept& kept : kept_) {
    RowWords excluded((size_t{kept.segment->rows()} + 63) / 64);
    SetRows(excluded, 0, kept.segment->rows());
    part_of[kept.segment.get()] = view->parts.size();
    view->parts.push_back({kept.segment, std::move(excluded)});
  }
  for (const auto& [id, placed] : places) {
    RowWords& excluded = view->parts[part_of[placed.segment]].excluded;
    RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, placed.segment->keyword_index());
    for (uint32_t i = 0; i < placed.rows.row_count; ++i) {
      const uint32_t row = placed.rows.first_row + i;
      excluded[row / 64] &= ~(uint64_t{1} << (row % 64));
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t length, index->Length(row));
      view->statistics.tokens += length;
      ++view->statistics.nodes;
    }
  }
  return std::shared_ptr<const View>(std::move(view));
}

}  // namespace ragtime
