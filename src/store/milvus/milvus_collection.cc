// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_collection.h"

#include <milvus_proto/milvus.pb.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "store/milvus/milvus_channel.h"
#include "store/milvus/milvus_expression.h"
#include "store/milvus/milvus_requests.h"
#include "store/milvus/milvus_rows.h"

namespace ragtime {
namespace {

namespace proto = milvus::proto::milvus;

// A server takes 64 MiB a message by default; smaller ones keep its memory and ours low.
constexpr size_t kBatchBytesMax = size_t{4} << 20;
constexpr size_t kBatchRowsMax = 2048;
// Requests of one Put that are under way at once: the next is made ready while the server works on one.
constexpr size_t kPutsAtOnce = 2;
constexpr size_t kErasedAtOnce = 8192;
constexpr size_t kGotAtOnce = 1024;
constexpr int64_t kLoadPauseMs = 50;
constexpr size_t kTopMax = 16384;  // Of one search; a limit of Milvus.

// "a" and "b" together; either may be empty.
std::string Both(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a + b;
  return StrCat("(", a, ") and (", b, ")");
}

size_t BatchEnd(std::span<const CollectionRow> rows, size_t begin) {
  size_t bytes = 0;
  size_t end = begin;
  while (end < rows.size() && end - begin < kBatchRowsMax && (end == begin || bytes < kBatchBytesMax)) {
    bytes += SizeBytesOf(rows[end++]);
  }
  return end;
}

}  // namespace

Status LoadMilvusCollection(const Context& context, const MilvusChannel& channel, const std::string& collection) {
  const std::string what = StrCat("the collection ", collection);
  proto::GetLoadStateRequest state_request;
  state_request.set_collection_name(collection);
  bool asked = false;
  for (;;) {
    proto::GetLoadStateResponse state;
    RAGTIME_RETURN_IF_ERROR(channel.Call(context, "GetLoadState", state_request, state, what));
    if (state.state() == milvus::proto::common::LoadStateLoaded) return Status();
    if (!asked) {
      proto::LoadCollectionRequest request;
      request.set_collection_name(collection);
      milvus::proto::common::Status status;
      RAGTIME_RETURN_IF_ERROR(channel.Call(context, "LoadCollection", request, status, what));
      asked = true;
    } else {
      RAGTIME_RETURN_IF_ERROR(SleepWithin(context, kLoadPauseMs));
    }
  }
}

Status MilvusCollection::Put(const Context& context, std::span<const CollectionRow> rows) {
  std::vector<std::future<Status>> under_way;
  Status status;
  const auto wait_for_first = [&] {
    const Status done = under_way.front().get();
    under_way.erase(under_way.begin());
    if (status.ok()) status = done;
  };
  for (size_t begin = 0; begin < rows.size() && status.ok();) {
    const size_t end = BatchEnd(rows, begin);
    auto request = UpsertOf(spec_, rows.subspan(begin, end - begin));
    if (!request.ok()) {
      status = request.status();
      break;
    }
    if (under_way.size() == kPutsAtOnce) wait_for_first();
    const auto send = [this, &context, message = *std::move(request)] { return Write(context, "Upsert", message); };
    if (begin == 0 && end == rows.size()) return send();
    under_way.push_back(std::async(std::launch::async, send));
    begin = end;
  }
  while (!under_way.empty()) wait_for_first();
  return status;
}

Status MilvusCollection::Write(const Context& context, std::string_view method,
                               const google::protobuf::Message& request) {
  std::unique_lock lock(write_mutex_, std::defer_lock);
  if (one_write_at_once_) lock.lock();
  proto::MutationResult result;
  RAGTIME_RETURN_IF_ERROR(channel_->Call(context, method, request, result, what_));
  uint64_t before = written_;
  while (before < result.timestamp() && !written_.compare_exchange_weak(before, result.timestamp())) {
  }
  return Status();
}

Status MilvusCollection::Erase(const Context& context, std::span<const int64_t> ids) {
  for (size_t begin = 0; begin < ids.size(); begin += kErasedAtOnce) {
    proto::DeleteRequest request;
    request.set_collection_name(spec_.name);
    request.set_expr(MilvusIdsExpression(ids.subspan(begin, std::min(kErasedAtOnce, ids.size() - begin))));
    RAGTIME_RETURN_IF_ERROR(Write(context, "Delete", request));
  }
  return Status();
}

Result<std::vector<CollectionRow>> MilvusCollection::Get(const Context& context, std::span<const int64_t> ids,
                                                         bool with_vectors) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  const Consistency consistency(level, written_);
  std::vector<CollectionRow> rows;
  for (size_t begin = 0; begin < ids.size(); begin += kGotAtOnce) {
    const auto some = ids.subspan(begin, std::min(kGotAtOnce, ids.size() - begin));
    proto::QueryResults results;
    RAGTIME_RETURN_IF_ERROR(channel_->Call(
        context, "Query",
        QueryRequestOf(spec_.name, MilvusIdsExpression(some), OutputFields(spec_, with_vectors), consistency), results,
        what_));
    auto found = RowsOf(spec_, results, with_vectors);
    if (!found.ok()) return found.status().Annotate(StrCat(channel_->name(), ", Query of ", what_));
    std::move(found->begin(), found->end(), std::back_inserter(rows));
  }
  return rows;
}

Result<uint64_t> MilvusCollection::CountMatching(const Context& context, std::string expression) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  const Consistency consistency(level, written_);
  proto::QueryResults results;
  RAGTIME_RETURN_IF_ERROR(channel_->Call(
      context, "Query", QueryRequestOf(spec_.name, std::move(expression), {"count(*)"}, consistency), results, what_));
  for (const auto& field : results.fields_data()) {
    if (field.scalars().long_data().data_size() == 1) return static_cast<uint64_t>(field.scalars().long_data().data(0));
  }
  return DataLossError(StrCat(channel_->name(), " does not count the rows of ", what_));
}

// Page by page: an answer of all rows would be too large for a message.
Result<std::vector<CollectionRow>> MilvusCollection::Scan(const Context& context, const Filter& filter,
                                                          int64_t after_id, size_t limit, bool with_vectors) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  const Consistency consistency(level, written_);
  RAGTIME_ASSIGN_OR_RETURN(const std::string expression, ExpressionOf(filter));
  std::vector<CollectionRow> rows;
  while (rows.size() < limit) {
    const size_t page_rows = std::min(limit - rows.size(), kGotAtOnce);
    proto::QueryResults results;
    RAGTIME_RETURN_IF_ERROR(channel_->Call(context, "Query",
                                           LowestRequestOf(spec_.name, Both(expression, StrCat("id > ", after_id)),
                                                           OutputFields(spec_, with_vectors), page_rows, consistency),
                                           results, what_));
    auto page = RowsOf(spec_, results, with_vectors);
    if (!page.ok()) return page.status().Annotate(StrCat(channel_->name(), ", Query of ", what_));
    if (page->empty()) break;
    std::sort(page->begin(), page->end(), [](const CollectionRow& a, const CollectionRow& b) { return a.id < b.id; });
    if (page->front().id <= after_id || page->size() > page_rows) {
      return DataLossError(StrCat(channel_->name(), ", Query of ", what_, ": rows that were not asked for"));
    }
    after_id = page->back().id;
    std::move(page->begin(), page->end(), std::back_inserter(rows));
  }
  return rows;
}

Result<uint64_t> MilvusCollection::Count(const Context& context, const Filter& filter) const {
  RAGTIME_ASSIGN_OR_RETURN(std::string expression, ExpressionOf(filter));
  return CountMatching(context, std::move(expression));
}

Result<std::vector<CollectionHit>> MilvusCollection::SearchVector(const Context& context, std::span<const float> query,
                                                                  size_t limit, const Filter& filter) const {
  if (limit == 0) return std::vector<CollectionHit>();
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  const Consistency consistency(level, written_);
  RAGTIME_ASSIGN_OR_RETURN(std::string expression, ExpressionOf(filter));
  const size_t top = std::min(limit, kTopMax);
  proto::SearchResults results;
  RAGTIME_RETURN_IF_ERROR(channel_->Call(
      context, "Search", SearchRequestOf(spec_, query, top, std::move(expression), consistency), results, what_));
  auto hits = HitsOf(spec_, results.results());
  if (!hits.ok()) return hits.status().Annotate(StrCat(channel_->name(), ", Search of ", what_));
  return hits;
}

bool MilvusCollection::Translates(const Filter& filter) const { return MilvusExpression(filter).has_value(); }

Result<std::string> MilvusCollection::ExpressionOf(const Filter& filter) const {
  const auto expression = MilvusExpression(filter);
  if (!expression) {
    return InternalError(StrCat("Milvus cannot be asked for ", filter.ToString()));
  }
  return *expression;
}

}  // namespace ragtime
