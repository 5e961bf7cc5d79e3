// SPDX-License-Identifier: Apache-2.0
#include "index/hnsw/hnsw_builder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/thread_pool.h"
#include "index/hnsw/frontier.h"
#include "index/hnsw/row_scores.h"
#include "index/hnsw/walk.h"

namespace ragtime {
namespace {

// Rows that are linked at once do not find each other: they are at most this part of those that are linked already.
constexpr size_t kBatchShare = 50;
constexpr size_t kBatchMax = 2048;
// How much nearer, as a square of distances, a row must be to a selected one to get no link of its own. Rows are linked
// as the paper says; the last pass leaves out less, so that walks get stuck less.
constexpr float kNearer = 1;
constexpr float kMuchNearer = 1.1f * 1.1f;
// For each link that a row can have, the last pass looks at so many rows that two steps lead to, and selects from so
// many of them, the nearest.
constexpr size_t kMetForLink = 32;
constexpr size_t kSelectedFromForLink = 4;
// Rows for a thread at a time.
constexpr size_t kTaskRows = 8;

uint64_t HashOf(uint32_t row) { return Hash64(std::as_bytes(std::span(&row, 1))); }

struct ScoredRow {
  float score;
  uint32_t id;  // Of the level: a place, or a row.
};

bool NearerFirst(const ScoredRow& a, const ScoredRow& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

class Linker {
 public:
  Linker(const CodedRows& coded, Metric metric, double norm_max, const HnswParameters& parameters,
         const HnswLayout& layout, std::span<std::byte> bytes)
      : scores_(coded, metric, norm_max),
        coded_(coded),
        layout_(layout),
        ef_(std::max(parameters.ef_construction, parameters.m)),
        threads_(parameters.threads == 0 ? AvailableCores() : parameters.threads),
        pool_(std::max<size_t>(threads_, 2) - 1),
        bottom_(At(bytes, layout.bottom)),
        twins_(At(bytes, layout.twins)),
        rows_(At(bytes, layout.rows)) {
    for (size_t l = 0; l < layout.levels; ++l) level_links_.push_back(At(bytes, layout.level_links[l]));
    // Links, twins and places lie one after the other.
    std::fill(bottom_, reinterpret_cast<uint32_t*>(bytes.data() + layout.codes.mean), kNoRow);
  }

  Status Run(const Context& context) {
    OrderRows();
    std::copy_n(order_.begin(), std::min<size_t>(order_.size(), layout_.places[0]), rows_);
    for (size_t start = 1; start < order_.size();) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const size_t count = std::min({order_.size() - start, std::max<size_t>(start / kBatchShare, 1), kBatchMax});
      LinkBatch(start, count);
      start += count;
    }
    return Refine(context);
  }

 private:
  // What one thread needs for one row.
  struct Scratch {
    Scratch(size_t ef, size_t rows) : frontier(ef), visited(rows) {}
    Frontier frontier;
    VisitedRows visited;
    std::vector<ScoredRow> candidates;
    std::vector<uint32_t> selected;
  };
  // A link that a new row has, to be had by the other row too.
  struct BackLink {
    size_t level;
    uint32_t to;
    uint32_t from;
  };

  static uint32_t* At(std::span<std::byte> bytes, uint64_t offset) {
    return reinterpret_cast<uint32_t*>(bytes.data() + offset);
  }

  // Rows with the same codes are one row of the graph, the first of them, and a chain of twins behind it: a graph of
  // rows that are all equally near would keep its links among them, and be cut off from the others.
  void OrderRows() {
    const size_t rows = coded_.vectors().rows;
    const size_t stride = CodedLayout::CodeStride(coded_.vectors().dimension);
    const auto codes = [this, stride](uint32_t row) { return std::as_bytes(std::span(coded_.codes(row), stride)); };
    std::vector<std::pair<uint64_t, uint32_t>> by_codes(rows);
    for (uint32_t row = 0; row < rows; ++row) by_codes[row] = {Hash64(codes(row)), row};
    std::sort(by_codes.begin(), by_codes.end());
    std::vector<bool> behind(rows);
    for (size_t first = 0; first < rows; ++first) {
      uint32_t last = by_codes[first].second;
      if (behind[last]) continue;
      const auto codes_of_first = codes(last);
      for (size_t i = first + 1; i < rows && by_codes[i].first == by_codes[first].first; ++i) {
        const uint32_t row = by_codes[i].second;
        if (behind[row] || std::memcmp(codes_of_first.data(), codes(row).data(), stride) != 0) continue;
        behind[row] = true;
        twins_[last] = row;
        last = row;
      }
    }
    for (uint32_t row = 0; row < rows; ++row) {
      if (!behind[row]) order_.push_back(row);
    }
    // The upper levels are the first of the order, and so a sample without regard to where rows stand.
    std::vector<std::pair<uint64_t, uint32_t>> by_hash;
    by_hash.reserve(order_.size());
    for (const uint32_t row : order_) by_hash.push_back({HashOf(row), row});
    std::sort(by_hash.begin(), by_hash.end());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = by_hash[i].second;
  }

  // Level 0 is numbered by rows, the others by places.
  uint32_t RowOf(size_t level, uint32_t id) const { return level == 0 ? id : order_[id]; }
  size_t Capacity(size_t level) const { return level == 0 ? 2 * size_t{layout_.links} : layout_.links; }
  std::span<uint32_t> Links(size_t level, uint32_t id) const {
    const size_t capacity = Capacity(level);
    return {(level == 0 ? bottom_ : level_links_[level - 1]) + size_t{id} * capacity, capacity};
  }
  void Score(size_t level, uint32_t row, std::span<const uint32_t> ids, float* scores) const {
    if (level == 0) return scores_.Of(row, ids, scores);
    uint32_t rows[kLinksOfRowMax];
    for (size_t i = 0; i < ids.size(); ++i) rows[i] = order_[ids[i]];
    scores_.Of(row, {rows, ids.size()}, scores);
  }

  // Adds the candidates to `selected`, best first, without those that are nearer (by the factor) to one selected before
  // them than to the row itself: what they would lead to is reached through that one.
  void Select(size_t level, const std::vector<ScoredRow>& candidates, size_t limit, float nearer,
              std::vector<uint32_t>& selected) const {
    constexpr size_t kAtOnce = 8;
    const float zero = scores_.zero();
    float scores[kAtOnce];
    for (const ScoredRow& candidate : candidates) {
      if (selected.size() == limit) break;
      bool apart = true;
      for (size_t i = 0; i < selected.size() && apart; i += kAtOnce) {
        const auto some = std::span<const uint32_t>(selected).subspan(i, std::min(kAtOnce, selected.size() - i));
        Score(level, RowOf(level, candidate.id), some, scores);
        apart = std::none_of(scores, scores + some.size(),
                             [&](float score) { return (zero - score) * nearer < zero - candidate.score; });
      }
      if (apart) selected.push_back(candidate.id);
    }
  }

  // Leaves in the frontier what is nearest to `row` among what `from` leads to.
  void WalkOver(size_t level, uint32_t row, uint32_t from, uint32_t ids, Scratch& scratch) const {
    const auto links_of = [this, level](uint32_t id) { return std::span<const uint32_t>(Links(level, id)); };
    const auto scores_of = [this, level, row](std::span<const uint32_t> some, float* scores) {
      Score(level, row, some, scores);
    };
    float score = 0;
    scores_of(std::span<const uint32_t>(&from, 1), &score);
    scratch.frontier.Clear();
    scratch.visited.Clear();
    scratch.visited.Insert(from);
    scratch.frontier.Offer(from, score);
    Walk(scratch.frontier, scratch.visited, ids, links_of, scores_of);
  }

  // Finds the links of the row at `place`, level by level, in the graph as it is. Nothing leads to the row yet.
  void FindLinks(uint32_t place, size_t places_linked, Scratch& scratch) const {
    const uint32_t row = order_[place];
    uint32_t at = 0;  // The first place is in every level.
    for (size_t level = layout_.levels + 1; level-- > 0;) {
      const auto links_of = [this, level](uint32_t id) { return std::span<const uint32_t>(Links(level, id)); };
      const auto scores_of = [this, level, row](std::span<const uint32_t> ids, float* scores) {
        Score(level, row, ids, scores);
      };
      const auto ids = static_cast<uint32_t>(level == 0 ? coded_.vectors().rows : places_linked);
      if (level == 0) at = order_[at];
      if (level > 0 && place >= layout_.places[level - 1]) {
        Descend(at, ids, links_of, scores_of);
        continue;
      }
      WalkOver(level, row, at, ids, scratch);
      scratch.candidates.clear();
      for (const MetRow& met : scratch.frontier.rows()) scratch.candidates.push_back({met.score, met.row});
      if (scratch.candidates.empty()) continue;  // The score was not a number.
      at = scratch.candidates[0].id;
      scratch.selected.clear();
      Select(level, scratch.candidates, layout_.links, kNearer, scratch.selected);
      std::copy(scratch.selected.begin(), scratch.selected.end(), Links(level, level == 0 ? row : place).begin());
    }
  }

  // Rows were linked when those after them were not there yet. Fills the links of level 0 up with the nearest of what
  // two steps lead to in the graph as it is, and then with links back. No link is taken away: those that lead far, and
  // hold the graph together, are the oldest.
  Status Refine(const Context& context) {
    const size_t capacity = Capacity(0);
    std::vector<uint32_t> refined(coded_.vectors().rows * capacity, kNoRow);
    for (size_t start = 0; start < order_.size(); start += kBatchMax) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      ForEach(std::min(kBatchMax, order_.size() - start), [&](size_t i, Scratch& scratch) {
        const uint32_t row = order_[start + i];
        FindNear(row, scratch);
        Select(0, scratch.candidates, capacity, kMuchNearer, scratch.selected);
        std::copy(scratch.selected.begin(), scratch.selected.end(), refined.begin() + size_t{row} * capacity);
      });
    }
    std::copy(refined.begin(), refined.end(), bottom_);
    for (const uint32_t row : order_) {
      for (const uint32_t to : std::span(refined).subspan(size_t{row} * capacity, capacity)) {
        if (to == kNoRow) break;
        const std::span<uint32_t> list = Links(0, to);
        const auto end = std::find(list.begin(), list.end(), kNoRow);
        if (end != list.end() && std::find(list.begin(), end, row) == end) *end = row;
      }
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
    ReachAll();
    return Status();
  }

  // Has every row that the first one does not lead to linked by the nearest that a walk finds. A list that is full
  // loses its last link that no row was reached by, so that nothing is led to no more.
  void ReachAll() {
    std::vector<uint32_t> reached_by(coded_.vectors().rows, kNoRow);
    std::vector<uint32_t> open;
    const auto reach = [&](uint32_t first, uint32_t by) {
      reached_by[first] = by;
      open.push_back(first);
      while (!open.empty()) {
        const uint32_t row = open.back();
        open.pop_back();
        for (const uint32_t link : Links(0, row)) {
          if (link == kNoRow) break;
          if (reached_by[link] != kNoRow) continue;
          reached_by[link] = row;
          open.push_back(link);
        }
      }
    };
    reach(order_[0], order_[0]);
    std::unique_ptr<Scratch> scratch;
    for (const uint32_t row : order_) {
      if (reached_by[row] != kNoRow) continue;
      if (scratch == nullptr) scratch = TakeScratch();
      WalkOver(0, row, order_[0], static_cast<uint32_t>(coded_.vectors().rows), *scratch);
      for (const MetRow& met : scratch->frontier.rows()) {
        const std::span<uint32_t> list = Links(0, met.row);
        auto at = std::find(list.begin(), list.end(), kNoRow);
        if (at == list.end()) {
          const auto spare =
              std::find_if(list.rbegin(), list.rend(), [&](uint32_t to) { return reached_by[to] != met.row; });
          if (spare == list.rend()) continue;
          at = spare.base() - 1;
        }
        *at = row;
        reach(row, met.row);
        break;
      }
    }
  }

  // Selected: the links of `row`. The candidates: the nearest rows that two steps lead to, best first.
  void FindNear(uint32_t row, Scratch& scratch) const {
    scratch.visited.Clear();
    scratch.visited.Insert(row);
    scratch.candidates.clear();
    uint32_t met[kLinksOfRowMax];
    float scores[kLinksOfRowMax];
    const auto meet = [&](uint32_t from) {
      size_t count = 0;
      VisitLinks(Links(0, from), static_cast<uint32_t>(coded_.vectors().rows), scratch.visited, met, count);
      scores_.Of(row, {met, count}, scores);
      for (size_t i = 0; i < count; ++i) {
        if (scores[i] == scores[i]) scratch.candidates.push_back({scores[i], met[i]});
      }
    };
    const std::span<uint32_t> links = Links(0, row);
    scratch.selected.assign(links.begin(), std::find(links.begin(), links.end(), kNoRow));
    for (const uint32_t link : scratch.selected) scratch.visited.Insert(link);
    for (const uint32_t link : scratch.selected) {
      if (scratch.candidates.size() < kMetForLink * Capacity(0)) meet(link);
    }
    const size_t kept = std::min(scratch.candidates.size(), kSelectedFromForLink * Capacity(0));
    std::partial_sort(scratch.candidates.begin(), scratch.candidates.begin() + static_cast<std::ptrdiff_t>(kept),
                      scratch.candidates.end(), NearerFirst);
    scratch.candidates.resize(kept);
  }

  // Adds the links from `links[0].to` to each of the others, and selects anew where they are too many.
  void LinkBack(std::span<const BackLink> links, Scratch& scratch) const {
    const size_t level = links[0].level;
    const std::span<uint32_t> list = Links(level, links[0].to);
    auto end = std::find(list.begin(), list.end(), kNoRow);
    if (links.size() <= static_cast<size_t>(list.end() - end)) {
      for (const BackLink& link : links) *end++ = link.from;
      return;
    }
    std::vector<uint32_t> ids(list.begin(), end);
    for (const BackLink& link : links) ids.push_back(link.from);
    scratch.candidates.clear();
    for (size_t i = 0; i < ids.size(); i += kLinksOfRowMax) {
      const auto some = std::span<const uint32_t>(ids).subspan(i, std::min(kLinksOfRowMax, ids.size() - i));
      float scores[kLinksOfRowMax];
      Score(level, RowOf(level, links[0].to), some, scores);
      for (size_t j = 0; j < some.size(); ++j) scratch.candidates.push_back({scores[j], some[j]});
    }
    std::erase_if(scratch.candidates, [](const ScoredRow& candidate) { return candidate.score != candidate.score; });
    std::sort(scratch.candidates.begin(), scratch.candidates.end(), NearerFirst);
    scratch.selected.clear();
    Select(level, scratch.candidates, list.size(), kNearer, scratch.selected);
    std::fill(std::copy(scratch.selected.begin(), scratch.selected.end(), list.begin()), list.end(), kNoRow);
  }

  // Two steps, each in parallel and each reading only what the other wrote, so that the links do not depend on the
  // threads: the new rows look for their links, then the rows that they found are linked back.
  void LinkBatch(size_t start, size_t count) {
    ForEach(count,
            [this, start](size_t i, Scratch& scratch) { FindLinks(static_cast<uint32_t>(start + i), start, scratch); });
    std::vector<BackLink> back;
    for (size_t place = start; place < start + count; ++place) {
      for (size_t level = 0; level <= layout_.levels; ++level) {
        if (level > 0 && place >= layout_.places[level - 1]) break;
        const uint32_t id = level == 0 ? order_[place] : static_cast<uint32_t>(place);
        for (const uint32_t link : Links(level, id)) {
          if (link == kNoRow) break;
          back.push_back({level, link, id});
        }
      }
    }
    std::sort(back.begin(), back.end(), [](const BackLink& a, const BackLink& b) {
      return std::tie(a.level, a.to, a.from) < std::tie(b.level, b.to, b.from);
    });
    std::vector<std::span<const BackLink>> targets;
    for (size_t i = 0; i < back.size();) {
      size_t end = i + 1;
      while (end < back.size() && back[end].level == back[i].level && back[end].to == back[i].to) ++end;
      targets.push_back(std::span<const BackLink>(back).subspan(i, end - i));
      i = end;
    }
    ForEach(targets.size(), [this, &targets](size_t i, Scratch& scratch) { LinkBack(targets[i], scratch); });
  }

  // Calls body(i, scratch) for each i below `count`.
  template <typename Body>
  void ForEach(size_t count, const Body& body) {
    const auto task = [&](size_t t) {
      std::unique_ptr<Scratch> scratch = TakeScratch();
      for (size_t i = t * kTaskRows; i < std::min(count, (t + 1) * kTaskRows); ++i) body(i, *scratch);
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(scratch));
    };
    const size_t tasks = (count + kTaskRows - 1) / kTaskRows;
    if (tasks > 1 && threads_ > 1) return pool_.ParallelFor(tasks, task);
    for (size_t t = 0; t < tasks; ++t) task(t);
  }
  std::unique_ptr<Scratch> TakeScratch() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Scratch>(ef_, coded_.vectors().rows);
    std::unique_ptr<Scratch> scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }

  const RowScores scores_;
  const CodedRows& coded_;
  const HnswLayout& layout_;
  const size_t ef_;
  const size_t threads_;
  ThreadPool pool_;  // Works beside the caller. Of its own: threads are as nice as the one that makes them.
  uint32_t* const bottom_;
  uint32_t* const twins_;
  uint32_t* const rows_;
  std::vector<uint32_t*> level_links_;
  std::vector<uint32_t> order_;  // The row of each place; places go on in level 0.
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;  // Guarded by mutex_.
};

}  // namespace

Status LinkRows(const Context& context, const CodedRows& coded, Metric metric, double norm_max,
                const HnswParameters& parameters, const HnswLayout& layout, std::span<std::byte> bytes) {
  return Linker(coded, metric, norm_max, parameters, layout, bytes).Run(context);
}

}  // namespace ragtime
