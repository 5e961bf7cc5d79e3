// SPDX-License-Identifier: Apache-2.0
#include "testing/memory_collections.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "testing/naive_index.h"

namespace ragtime {
namespace {

bool Matches(const Filter& filter, const CollectionRow& row) {
  static const FieldValue null;
  return filter.Matches([&row](std::string_view field) -> const FieldValue& {
    const auto found = row.columns.find(field);
    return found == row.columns.end() ? null : found->second;
  });
}

bool AnyLeaf(const FilterNode& node, const std::function<bool(const FilterNode&)>& holds) {
  if (node.op == FilterOp::kAnd || node.op == FilterOp::kOr || node.op == FilterOp::kNot) {
    return std::any_of(node.operands.begin(), node.operands.end(),
                       [&holds](const FilterNode& operand) { return AnyLeaf(operand, holds); });
  }
  return holds(node);
}

}  // namespace

class MemoryCollections::MemoryCollection final : public Collection {
 public:
  MemoryCollection(MemoryCollections& server, std::shared_ptr<Data> data)
      : server_(server), data_(std::move(data)), spec_(data_->spec) {}

  const CollectionSpec& spec() const override { return spec_; }

  Status Put(const Context& context, std::span<const CollectionRow> rows) override {
    return Change(context, "put", rows.size(), [&](size_t i) { data_->rows[rows[i].id] = rows[i]; });
  }

  Status Erase(const Context& context, std::span<const int64_t> ids) override {
    return Change(context, "erase", ids.size(), [&](size_t i) { data_->rows.erase(ids[i]); });
  }

  Result<std::vector<CollectionRow>> Get(const Context& context, std::span<const int64_t> ids,
                                         bool with_vectors) const override {
    std::vector<CollectionRow> rows;
    RAGTIME_RETURN_IF_ERROR(Read(context, "get", [&] {
      for (const int64_t id : ids) {
        const auto found = data_->rows.find(id);
        if (found != data_->rows.end()) rows.push_back(Copy(found->second, with_vectors));
      }
    }));
    std::reverse(rows.begin(), rows.end());
    return rows;
  }

  Result<std::vector<CollectionRow>> Scan(const Context& context, const Filter& filter, int64_t after_id, size_t limit,
                                          bool with_vectors) const override {
    std::vector<CollectionRow> rows;
    RAGTIME_RETURN_IF_ERROR(Read(context, "scan", [&] {
      for (auto row = data_->rows.upper_bound(after_id); row != data_->rows.end() && rows.size() < limit; ++row) {
        if (Matches(filter, row->second)) rows.push_back(Copy(row->second, with_vectors));
      }
    }));
    return rows;
  }

  Result<uint64_t> Count(const Context& context, const Filter& filter) const override {
    uint64_t count = 0;
    RAGTIME_RETURN_IF_ERROR(Read(context, "count", [&] {
      for (const auto& [id, row] : data_->rows) count += Matches(filter, row) ? 1 : 0;
    }));
    return count;
  }

  Result<std::vector<CollectionHit>> SearchVector(const Context& context, std::span<const float> query, size_t limit,
                                                  const Filter& filter) const override {
    std::vector<CollectionHit> hits;
    RAGTIME_RETURN_IF_ERROR(Read(context, "search", [&] {
      for (const auto& [id, row] : data_->rows) {
        if (server_.missed_multiple_ != 0 && id % server_.missed_multiple_ == 0) continue;
        if (!Matches(filter, row)) continue;
        hits.push_back({id, static_cast<float>(NaiveVectorScore(query, row.vector, spec_.metric))});
      }
    }));
    // Equal scores in the order that no store answers in.
    std::sort(hits.begin(), hits.end(), [](const CollectionHit& a, const CollectionHit& b) {
      return a.score != b.score ? a.score > b.score : a.id > b.id;
    });
    hits.resize(std::min(limit, hits.size()));
    return hits;
  }

  bool Translates(const Filter& filter) const override {
    const std::lock_guard lock(server_.mutex_);
    return !AnyLeaf(filter.root(), [this](const FilterNode& leaf) {
      if (server_.untranslated_) return server_.untranslated_(leaf);
      return leaf.op == FilterOp::kLike || leaf.op == FilterOp::kContains || leaf.op == FilterOp::kIsNull;
    });
  }

 private:
  static CollectionRow Copy(const CollectionRow& row, bool with_vector) {
    CollectionRow copy = row;
    if (!with_vector) copy.vector.clear();
    return copy;
  }

  Status Change(const Context& context, std::string_view operation, size_t count,
                const std::function<void(size_t)>& change) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const Fault fault = server_.Next(operation, spec_.name);
    const std::lock_guard lock(server_.mutex_);
    if (data_->dropped) return NotFoundError(StrCat("memory has no collection ", spec_.name));
    if (fault == Fault::kBefore) return Failed(operation, spec_.name);
    for (size_t i = 0; i < (fault == Fault::kHalf ? count / 2 : count); ++i) change(i);
    return fault == Fault::kNone ? Status() : Failed(operation, spec_.name);
  }

  Status Read(const Context& context, std::string_view operation, const std::function<void()>& read) const {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const Fault fault = server_.Next(operation, spec_.name);
    const std::lock_guard lock(server_.mutex_);
    if (data_->dropped) return NotFoundError(StrCat("memory has no collection ", spec_.name));
    if (fault != Fault::kNone) return Failed(operation, spec_.name);
    read();
    return Status();
  }

  MemoryCollections& server_;
  const std::shared_ptr<Data> data_;
  const CollectionSpec spec_;
};

Status MemoryCollections::Failed(std::string_view operation, std::string_view collection) {
  return UnavailableError(StrCat("memory: ", operation, " of ", collection, ": the connection broke"));
}

Fault MemoryCollections::Next(std::string_view operation, std::string_view collection) {
  Faults faults;
  uint64_t call = 0;
  {
    const std::lock_guard lock(mutex_);
    call = calls_++;
    faults = faults_;
  }
  return faults ? faults(call, operation, collection) : Fault::kNone;
}

Result<std::string> MemoryCollections::Version(const Context& context) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  return std::string("1");
}

Result<bool> MemoryCollections::Exists(const Context& context, std::string_view collection) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (Next("exists", collection) != Fault::kNone) return Failed("exists", collection);
  const std::lock_guard lock(mutex_);
  return collections_.contains(collection);
}

Result<std::shared_ptr<Collection>> MemoryCollections::OpenOrMake(const Context& context, const CollectionSpec& spec) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  const Fault fault = Next("open", spec.name);
  if (fault == Fault::kBefore) return Failed("open", spec.name);
  const std::lock_guard lock(mutex_);
  auto& data = collections_[spec.name];
  if (data == nullptr) {
    data = std::make_shared<Data>();
    data->spec = spec;
  }
  if (fault != Fault::kNone) return Failed("open", spec.name);
  if (data->spec.dimension != spec.dimension || data->spec.metric != spec.metric ||
      data->spec.columns != spec.columns) {
    return FailedPreconditionError(StrCat("memory has made ", spec.name, " otherwise"));
  }
  return std::shared_ptr<Collection>(std::make_shared<MemoryCollection>(*this, data));
}

Status MemoryCollections::Drop(const Context& context, std::string_view collection) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  const Fault fault = Next("drop", collection);
  if (fault == Fault::kBefore) return Failed("drop", collection);
  const std::lock_guard lock(mutex_);
  if (const auto found = collections_.find(collection); found != collections_.end()) {
    found->second->dropped = true;
    collections_.erase(found);
  }
  return fault == Fault::kNone ? Status() : Failed("drop", collection);
}

void MemoryCollections::SetFaults(Faults faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

uint64_t MemoryCollections::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void MemoryCollections::LoseEverything() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, data] : collections_) data->dropped = true;
  collections_.clear();
}

std::vector<int64_t> MemoryCollections::IdsOf(const std::string& collection) const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> ids;
  const auto found = collections_.find(collection);
  if (found == collections_.end()) return ids;
  for (const auto& [id, row] : found->second->rows) ids.push_back(id);
  return ids;
}

void MemoryCollections::Damage(const std::string& collection, int64_t id) {
  Change(collection, id, [](CollectionRow& row) { row.text += " damaged"; });
}

void MemoryCollections::Change(const std::string& collection, int64_t id,
                               const std::function<void(CollectionRow& row)>& change) {
  const std::lock_guard lock(mutex_);
  change(collections_.at(collection)->rows.at(id));
}

void MemoryCollections::SetUntranslated(std::function<bool(const FilterNode& leaf)> untranslated) {
  const std::lock_guard lock(mutex_);
  untranslated_ = std::move(untranslated);
}

void MemoryCollections::SetMissedBySearch(int64_t multiple) {
  const std::lock_guard lock(mutex_);
  missed_multiple_ = multiple;
}

}  // namespace ragtime
