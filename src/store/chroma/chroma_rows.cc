// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_rows.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/str_cat.h"
#include "store/chroma/chroma_filter.h"
#include "store/hits.h"

namespace ragtime {
namespace {

// Beside the columns and the id in a record's metadata.
constexpr char kPayloadKey[] = "_payload";
constexpr char kTextKey[] = "_text";

Status Unexpected(std::string_view what) {
  return UnavailableError(StrCat("the answer has ", what), "check that a Chroma server is at that address");
}

std::optional<int64_t> ParseId(const Json& json) {
  const std::string text = json.AsString();
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id <= 0) return std::nullopt;
  return id;
}

// None where the value is of another type.
std::optional<FieldValue> ValueOf(FieldType type, const Json& json) {
  switch (type) {
    case FieldType::kInt:
      return json.is_number() ? std::optional<FieldValue>(json.AsInt()) : std::nullopt;
    case FieldType::kBool:
      return json.is_bool() ? std::optional<FieldValue>(json.AsBool()) : std::nullopt;
    case FieldType::kString:
      return json.is_string() ? std::optional<FieldValue>(json.AsString()) : std::nullopt;
    case FieldType::kDatetime:
      return json.is_number() ? std::optional<FieldValue>(Datetime{json.AsInt()}) : std::nullopt;
    case FieldType::kFloat:
    case FieldType::kStringList:
      break;
  }
  return FieldValue();  // Never put there, whatever it is.
}

Result<std::vector<float>> VectorOf(const CollectionSpec& spec, const Json& json) {
  const Json::Array& numbers = json.AsArray();
  std::vector<float> vector;
  if (numbers.size() != spec.dimension) {
    return Unexpected(StrCat("a vector of dimension ", numbers.size(), ", not ", spec.dimension));
  }
  vector.reserve(numbers.size());
  for (const Json& number : numbers) {
    vector.push_back(static_cast<float>(number.AsDouble(NAN)));
    if (!std::isfinite(vector.back())) return Unexpected("a vector with a value that is no number");
  }
  return vector;
}

Result<CollectionRow> RowOf(const CollectionSpec& spec, const Json& answer, size_t i, bool with_vectors) {
  CollectionRow row;
  const std::optional<int64_t> id = ParseId(answer["ids"][i]);
  const Json& metadata = answer["metadatas"][i];
  if (!id || !metadata.is_object()) return Unexpected("a row without id or metadata");
  row.id = *id;
  const Json& text = metadata[kTextKey];
  row.text = text.is_string() ? text.AsString() : answer["documents"][i].AsString();
  row.payload = metadata[kPayloadKey].AsString();
  for (const FieldSpec& column : spec.columns) {
    const Json& json = metadata[column.name];
    if (json.is_null()) continue;
    std::optional<FieldValue> value = ValueOf(column.type, json);
    if (!value) return Unexpected(StrCat("a value of another type in the column ", column.name));
    if (!std::holds_alternative<std::monostate>(*value)) row.columns[column.name] = *std::move(value);
  }
  if (with_vectors) {
    RAGTIME_ASSIGN_OR_RETURN(row.vector, VectorOf(spec, answer["embeddings"][i]));
  }
  return row;
}

}  // namespace

Json ChromaMetadataOf(const CollectionSpec& spec, const CollectionRow& row) {
  Json::Object metadata;
  for (const FieldSpec& column : spec.columns) {
    const auto value = row.columns.find(column.name);
    std::optional<Json> json = value == row.columns.end() ? std::nullopt : ChromaValue(value->second);
    // Null takes out what a record of that id had before.
    metadata.emplace_back(column.name, json ? *std::move(json) : Json());
  }
  metadata.emplace_back(kChromaIdKey, row.id);
  metadata.emplace_back(kPayloadKey, row.payload);
  metadata.emplace_back(kTextKey, row.text.size() <= kChromaTextBytesMax ? Json(row.text) : Json());
  return metadata;
}

Result<std::vector<CollectionRow>> ChromaRowsOf(const CollectionSpec& spec, const Json& answer, bool with_vectors) {
  if (!answer["ids"].is_array()) return Unexpected("no ids");
  std::vector<CollectionRow> rows;
  for (size_t i = 0; i < answer["ids"].AsArray().size(); ++i) {
    RAGTIME_ASSIGN_OR_RETURN(CollectionRow row, RowOf(spec, answer, i, with_vectors));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<int64_t>> ChromaIdsOf(const Json& answer) {
  if (!answer["ids"].is_array()) return Unexpected("no ids");
  std::vector<int64_t> ids;
  for (const Json& json : answer["ids"].AsArray()) {
    const std::optional<int64_t> id = ParseId(json);
    if (!id) return Unexpected("an id that is no positive number");
    ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<CollectionHit>> ChromaHitsOf(const CollectionSpec& spec, const Json& answer) {
  if (!answer["ids"].is_array()) return Unexpected("no ids");
  const Json::Array& ids = answer["ids"][0].AsArray();
  const Json::Array& distances = answer["distances"][0].AsArray();
  if (ids.size() != distances.size())
    return Unexpected(StrCat(ids.size(), " ids and ", distances.size(), " distances"));
  std::vector<CollectionHit> hits;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::optional<int64_t> id = ParseId(ids[i]);
    if (!id || !distances[i].is_number()) return Unexpected("a hit without id or distance");
    const double distance = distances[i].AsDouble();
    hits.push_back({*id, static_cast<float>(spec.metric == Metric::kL2 ? -distance : 1 - distance)});
  }
  SortBestFirst(hits);
  return hits;
}

Result<uint64_t> ChromaCountOf(const Json& answer) {
  const int64_t count = answer.is_number() ? answer.AsInt(-1) : -1;
  if (count < 0) return Unexpected("no count");
  return static_cast<uint64_t>(count);
}

}  // namespace ragtime
