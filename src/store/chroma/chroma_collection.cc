// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_collection.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <future>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "store/chroma/chroma_filter.h"

namespace ragtime {
namespace {

// Beside the columns in a record's metadata.
constexpr char kIdKey[] = "_id";
constexpr char kPayloadKey[] = "_payload";
// Chroma cuts every document into trigrams and indexes them, which takes longer than all else of a write, and nothing
// here asks for. So the text is metadata too, but for a long one: a hosted Chroma takes 4 KiB of a value.
constexpr char kTextKey[] = "_text";
constexpr size_t kTextBytesMax = 4000;
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

std::optional<int64_t> ParseId(const Json& json) {
  const std::string text = json.AsString();
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

Json IdsToJson(std::span<const int64_t> ids) {
  Json::Array array;
  for (const int64_t id : ids) array.emplace_back(std::to_string(id));
  return array;
}

FieldValue ValueOf(const FieldSpec& column, const Json& json) {
  if (json.is_null()) return {};
  switch (column.type) {
    case FieldType::kInt:
      return json.AsInt();
    case FieldType::kBool:
      return json.AsBool();
    case FieldType::kString:
      return json.AsString();
    case FieldType::kDatetime:
      return Datetime{json.AsInt()};
    default:
      return {};
  }
}

}  // namespace

Status ChromaCollection::Unexpected(std::string_view operation, std::string_view what) const {
  return UnavailableError(StrCat(server_->name(), ": ", operation, " of ", spec_.name, ": ", what),
                          "check that a Chroma server is at that address");
}

Result<Json> ChromaCollection::Call(const Context& context, std::string_view operation, const Json& body) const {
  return server_->Call(context, StrCat(operation, " of ", spec_.name), "POST", StrCat(path_, "/", operation), body);
}

Json ChromaCollection::MetadataOf(const CollectionRow& row) const {
  Json::Object metadata;
  for (const FieldSpec& column : spec_.columns) {
    const auto value = row.columns.find(column.name);
    std::optional<Json> json = value == row.columns.end() ? std::nullopt : ChromaValue(value->second);
    // Null takes out what a record of that id had before.
    metadata.emplace_back(column.name, json ? *std::move(json) : Json());
  }
  metadata.emplace_back(kIdKey, row.id);
  metadata.emplace_back(kPayloadKey, row.payload);
  metadata.emplace_back(kTextKey, row.text.size() <= kTextBytesMax ? Json(row.text) : Json());
  return metadata;
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
    documents.push_back(row.text.size() <= kTextBytesMax ? Json() : Json(row.text));
    metadatas.push_back(MetadataOf(row));
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

Result<CollectionRow> ChromaCollection::RowOfAnswer(const Json& answer, size_t i, bool with_vectors) const {
  CollectionRow row;
  const std::optional<int64_t> id = ParseId(answer["ids"][i]);
  const Json& metadata = answer["metadatas"][i];
  if (!id || !metadata.is_object()) return Unexpected("get", "an answer without ids or metadata");
  row.id = *id;
  const Json& text = metadata[kTextKey];
  row.text = text.is_string() ? text.AsString() : answer["documents"][i].AsString();
  row.payload = metadata[kPayloadKey].AsString();
  for (const FieldSpec& column : spec_.columns) {
    FieldValue value = ValueOf(column, metadata[column.name]);
    if (!std::holds_alternative<std::monostate>(value)) row.columns[column.name] = std::move(value);
  }
  if (with_vectors) {
    for (const Json& number : answer["embeddings"][i].AsArray()) {
      row.vector.push_back(static_cast<float>(number.AsDouble()));
    }
  }
  return row;
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
    for (size_t j = 0; j < answer["ids"].AsArray().size(); ++j) {
      RAGTIME_ASSIGN_OR_RETURN(CollectionRow row, RowOfAnswer(answer, j, with_vectors));
      rows.push_back(std::move(row));
    }
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
  if (!answer["ids"].is_array()) return Unexpected("get", "an answer without ids");
  std::vector<int64_t> ids;
  for (const Json& json : answer["ids"].AsArray()) {
    const std::optional<int64_t> id = ParseId(json);
    if (!id) return Unexpected("get", "an id that is no number");
    ids.push_back(*id);
  }
  return ids;
}

// Chroma has no order by, so that windows of ids are asked for where there are many.
Result<std::vector<CollectionRow>> ChromaCollection::Scan(const Context& context, const Filter& filter,
                                                          int64_t after_id, size_t limit, bool with_vectors) const {
  RAGTIME_ASSIGN_OR_RETURN(const Json base, WhereOf(filter));
  const auto between = [&](int64_t low, std::optional<int64_t> high) {
    Json::Array both = {Json::Object{{kIdKey, Json::Object{{"$gt", low}}}}};
    if (high) both.push_back(Json::Object{{kIdKey, Json::Object{{"$lte", *high}}}});
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
    RAGTIME_ASSIGN_OR_RETURN(const Json count,
                             server_->Call(context, StrCat("count of ", spec_.name), "GET", path_ + "/count"));
    return static_cast<uint64_t>(count.AsInt());
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
  const Json::Array& ids = answer["ids"][0].AsArray();
  const Json::Array& distances = answer["distances"][0].AsArray();
  if (!answer["ids"].is_array() || ids.size() != distances.size()) return Unexpected("query", "a malformed answer");
  std::vector<CollectionHit> hits;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::optional<int64_t> id = ParseId(ids[i]);
    if (!id || !distances[i].is_number()) return Unexpected("query", "an answer without ids or distances");
    const double distance = distances[i].AsDouble();
    hits.push_back({*id, static_cast<float>(spec_.metric == Metric::kL2 ? -distance : 1 - distance)});
  }
  return hits;
}

bool ChromaCollection::Translates(const Filter& filter) const { return ChromaWhere(filter.root()).has_value(); }

}  // namespace ragtime
