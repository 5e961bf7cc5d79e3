// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_collection.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <iterator>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "store/chroma/chroma_filter.h"
#include "store/chroma/chroma_rows.h"

namespace ragtime {
namespace {

// Of a request. Chroma takes 40 MiB, but on a busy machine as many rows would take longer than a request may.
constexpr size_t kPutBytesMax = size_t{4} << 20;
constexpr size_t kIdsPerRequest = 1000;
constexpr size_t kIdsPerLook = 5000;

std::string Base64(std::span<const float> vector) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<unsigned char> bytes(vector.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), vector.data(), bytes.size());
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = static_cast<uint32_t>(bytes[i]) << 16;
    if (left > 1) bits |= static_cast<uint32_t>(bytes[i + 1]) << 8;
    if (left > 2) bits |= bytes[i + 2];
    for (size_t digit = 0; digit < 4; ++digit) {
      text += digit <= left ? kDigits[bits >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

Json IdsToJson(std::span<const int64_t> ids) {
  Json::Array array;
  for (const int64_t id : ids) array.emplace_back(std::to_string(id));
  return array;
}

}  // namespace

Status ChromaCollection::Named(const Status& status, std::string_view operation) const {
  return status.Annotate(StrCat(server_->name(), ": ", operation, " of ", spec_.name));
}

Result<Json> ChromaCollection::Call(const Context& context, std::string_view operation, const Json& body) const {
  return server_->Call(context, StrCat(operation, " of ", spec_.name), "POST", StrCat(path_, "/", operation), body);
}

Json ChromaCollection::UpsertOf(std::span<const CollectionRow> rows, size_t& i) const {
  Json::Array ids;
  Json::Array embeddings;
  Json::Array documents;
  Json::Array metadatas;
  for (size_t bytes = 0; i < rows.size() && ids.size() < server_->batch_rows_max() && bytes < kPutBytesMax; ++i) {
    const CollectionRow& row = rows[i];
    bytes += row.text.size() + row.payload.size() + row.vector.size() * 6 + 200;
    ids.emplace_back(std::to_string(row.id));
    embeddings.emplace_back(Base64(row.vector));
    documents.push_back(row.text.size() <= kChromaTextBytesMax ? Json() : Json(row.text));
    metadatas.push_back(ChromaMetadataOf(spec_, row));
  }
  Json body;
  body.Set("ids", std::move(ids)).Set("embeddings", std::move(embeddings));
  body.Set("documents", std::move(documents)).Set("metadatas", std::move(metadatas));
  return body;
}

// The next request is made ready while the server works on one. Two at once would only wait for each other there.
Status ChromaCollection::Put(const Context& context, std::span<const CollectionRow> rows) {
  std::future<Status> under_way;
  for (size_t i = 0; i < rows.size();) {
    Json body = UpsertOf(rows, i);
    if (under_way.valid()) RAGTIME_RETURN_IF_ERROR(under_way.get());
    if (i == rows.size()) return Call(context, "upsert", body).status();
    under_way = std::async(std::launch::async,
                           [this, &context, body = std::move(body)] { return Call(context, "upsert", body).status(); });
  }
  return Status();
}

Status ChromaCollection::Erase(const Context& context, std::span<const int64_t> ids) {
  for (size_t i = 0; i < ids.size(); i += kIdsPerRequest) {
    const auto some = ids.subspan(i, std::min(kIdsPerRequest, ids.size() - i));
    RAGTIME_RETURN_IF_ERROR(Call(context, "delete", Json(Json::Object{{"ids", IdsToJson(some)}})).status());
  }
  return Status();
}

Result<std::vector<CollectionRow>> ChromaCollection::Get(const Context& context, std::span<const int64_t> ids,
                                                         bool with_vectors) const {
  std::vector<CollectionRow> rows;
  for (size_t i = 0; i < ids.size(); i += kIdsPerRequest) {
    Json::Array include = {"documents", "metadatas"};
    if (with_vectors) include.emplace_back("embeddings");
    Json body;
    body.Set("ids", IdsToJson(ids.subspan(i, std::min(kIdsPerRequest, ids.size() - i))));
    body.Set("include", std::move(include));
    RAGTIME_ASSIGN_OR_RETURN(const Json answer, Call(context, "get", body));
    Result<std::vector<CollectionRow>> some = ChromaRowsOf(spec_, answer, with_vectors);
    if (!some.ok()) return Named(some.status(), "get");
    std::move(some->begin(), some->end(), std::back_inserter(rows));
  }
  return rows;
}

Result<Json> ChromaCollection::WhereOf(const Filter& filter) const {
  std::optional<Json> where = ChromaWhere(filter.root());
  if (!where) return InternalError(StrCat("the filter ", filter.ToString(), " has no words in Chroma"));
  return *std::move(where);
}

Result<std::vector<int64_t>> ChromaCollection::FindIds(const Context& context, const Json& where, size_t offset,
                                                       size_t limit) const {
  Json body;
  if (!where.is_null()) body.Set("where", where);
  body.Set("include", Json::Array()).Set("offset", offset).Set("limit", limit);
  RAGTIME_ASSIGN_OR_RETURN(const Json answer, Call(context, "get", body));
  Result<std::vector<int64_t>> ids = ChromaIdsOf(answer);
  return ids.ok() ? std::move(ids) : Named(ids.status(), "get");
}

// Chroma has no order by, so that windows of ids are asked for where there are many.
Result<std::vector<CollectionRow>> ChromaCollection::Scan(const Context& context, const Filter& filter,
                                                          int64_t after_id, size_t limit, bool with_vectors) const {
  RAGTIME_ASSIGN_OR_RETURN(const Json base, WhereOf(filter));
  const auto between = [&](int64_t low, std::optional<int64_t> high) {
    Json::Array both = {Json::Object{{kChromaIdKey, Json::Object{{"$gt", low}}}}};
    if (high) both.push_back(Json::Object{{kChromaIdKey, Json::Object{{"$lte", *high}}}});
    if (!base.is_null()) both.push_back(base);
    return both.size() == 1 ? std::move(both[0]) : Json(Json::Object{{"$and", std::move(both)}});
  };
  RAGTIME_ASSIGN_OR_RETURN(std::vector<int64_t> ids, FindIds(context, between(after_id, std::nullopt), 0, kIdsPerLook));
  if (ids.size() == kIdsPerLook) {
    // There are more, in no order. Narrow to the ids below one that is known, until all of them fit.
    for (int64_t high = *std::max_element(ids.begin(), ids.end());;) {
      high = after_id + (high - after_id) / 2;
      RAGTIME_ASSIGN_OR_RETURN(std::vector<int64_t> lower, FindIds(context, between(after_id, high), 0, kIdsPerLook));
      if (lower.size() == kIdsPerLook && high > after_id + 1) continue;
      if (lower.size() < std::min(limit, kIdsPerLook)) {
        // Too narrow: the rest lies above. Widen step by step.
        int64_t step = static_cast<int64_t>(limit);
        while (lower.size() < limit && high < INT64_MAX / 4) {
          RAGTIME_ASSIGN_OR_RETURN(const auto more, FindIds(context, between(high, high + step), 0, kIdsPerLook));
          if (more.size() == kIdsPerLook) {
            step = std::max<int64_t>(1, step / 4);
            continue;
          }
          lower.insert(lower.end(), more.begin(), more.end());
          high += step;
          if (more.size() < limit / 4 && step < INT64_MAX / 16) step *= 4;
        }
      }
      ids = std::move(lower);
      break;
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.resize(std::min(ids.size(), limit));
  RAGTIME_ASSIGN_OR_RETURN(std::vector<CollectionRow> rows, Get(context, ids, with_vectors));
  std::sort(rows.begin(), rows.end(), [](const CollectionRow& a, const CollectionRow& b) { return a.id < b.id; });
  return rows;
}

Result<uint64_t> ChromaCollection::Count(const Context& context, const Filter& filter) const {
  RAGTIME_ASSIGN_OR_RETURN(const Json where, WhereOf(filter));
  if (where.is_null()) {
    RAGTIME_ASSIGN_OR_RETURN(const Json answer,
                             server_->Call(context, StrCat("count of ", spec_.name), "GET", path_ + "/count"));
    const Result<uint64_t> count = ChromaCountOf(answer);
    return count.ok() ? count : Named(count.status(), "count");
  }
  uint64_t count = 0;
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const auto ids, FindIds(context, where, count, kIdsPerLook));
    count += ids.size();
    if (ids.size() < kIdsPerLook) return count;
  }
}

Result<std::vector<CollectionHit>> ChromaCollection::SearchVector(const Context& context, std::span<const float> query,
                                                                  size_t limit, const Filter& filter) const {
  RAGTIME_ASSIGN_OR_RETURN(const Json where, WhereOf(filter));
  Json::Array vector;
  for (const float value : query) vector.emplace_back(static_cast<double>(value));
  Json body;
  if (!where.is_null()) body.Set("where", where);
  body.Set("query_embeddings", Json::Array{Json(std::move(vector))}).Set("n_results", limit);
  body.Set("include", Json::Array{"distances"});
  RAGTIME_ASSIGN_OR_RETURN(const Json answer, Call(context, "query", body));
  Result<std::vector<CollectionHit>> hits = ChromaHitsOf(spec_, answer);
  return hits.ok() ? std::move(hits) : Named(hits.status(), "query");
}

bool ChromaCollection::Translates(const Filter& filter) const { return ChromaWhere(filter.root()).has_value(); }

}  // namespace ragtime
