// SPDX-License-Identifier: Apache-2.0
#include "store/remote_rows.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "base/str_cat.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kPositionColumn[] = "position";
constexpr char kPageColumn[] = "page";
constexpr size_t kColumnBytesMax = 60;

bool ServersCanName(const FieldSpec& spec) {
  return spec.name.size() <= kColumnBytesMax && spec.name != kDocumentColumn &&
         std::all_of(spec.name.begin(), spec.name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

std::string Checksum(std::string_view text, std::span<const float> vector) {
  std::string bytes(text);
  const size_t text_size = bytes.size();
  bytes.resize(text_size + vector.size_bytes());
  if (!vector.empty()) std::memcpy(bytes.data() + text_size, vector.data(), vector.size_bytes());
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(Hash64(bytes)));
  return hex.data();
}

Json SpanToJson(const Span& span) { return Json::Array{span.start, span.end}; }

std::optional<Span> SpanFromJson(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  return Span{static_cast<uint64_t>(json[0].AsInt()), static_cast<uint64_t>(json[1].AsInt())};
}

}  // namespace

std::vector<FieldSpec> NodeColumns(std::span<const FieldSpec> declared) {
  std::vector<FieldSpec> columns = {{kDocumentColumn, FieldType::kInt, FieldIndex::kBtree},
                                    {kGroupColumn, FieldType::kString, FieldIndex::kHash},
                                    {kPositionColumn, FieldType::kInt, FieldIndex::kNone},
                                    {kPageColumn, FieldType::kInt, FieldIndex::kNone}};
  std::copy_if(declared.begin(), declared.end(), std::back_inserter(columns), ServersCanName);
  return columns;
}

CollectionRow RowOf(const NewNode& node, const Fields& fields, std::span<const FieldSpec> columns) {
  CollectionRow row;
  row.id = node.node.id;
  row.vector = node.vector.empty() ? std::vector<float>{1} : node.vector;
  row.text = node.node.text;
  for (const FieldSpec& column : columns) {
    const auto value = fields.find(column.name);
    if (value == fields.end() || !HasType(value->second, column.type)) continue;
    if (std::holds_alternative<std::monostate>(value->second)) continue;
    row.columns[column.name] = value->second;
  }
  row.columns[kDocumentColumn] = node.node.document_id;
  row.columns[kGroupColumn] = node.node.group;
  row.columns[kPositionColumn] = int64_t{node.node.position};
  if (node.node.page) row.columns[kPageColumn] = int64_t{*node.node.page};
  Json payload;
  payload.Set("sum", Checksum(row.text, row.vector));
  if (!node.node.heading.empty()) {
    Json::Array heading(node.node.heading.begin(), node.node.heading.end());
    payload.Set("heading", std::move(heading));
  }
  if (node.node.bytes) payload.Set("bytes", SpanToJson(*node.node.bytes));
  if (node.node.extracted) payload.Set("extracted", SpanToJson(*node.node.extracted));
  row.payload = payload.Dump();
  return row;
}

Result<NewNode> NodeOf(CollectionRow row, size_t dimension) {
  const auto damaged = [&row](std::string_view what) {
    return DataLossError(StrCat("the node ", row.id, " on the server has no valid ", what),
                         "run ragtime verify, and ingest the document again");
  };
  NewNode node;
  node.node.id = row.id;
  const auto column = [&row](const char* name) -> const FieldValue* {
    const auto found = row.columns.find(name);
    return found == row.columns.end() ? nullptr : &found->second;
  };
  const auto number = [&column](const char* name) -> const int64_t* { return std::get_if<int64_t>(column(name)); };
  const int64_t* document = number(kDocumentColumn);
  const int64_t* position = number(kPositionColumn);
  const auto* group = std::get_if<std::string>(column(kGroupColumn));
  if (document == nullptr || position == nullptr || group == nullptr) return damaged("document_id, group or position");
  node.node.document_id = *document;
  node.node.position = static_cast<uint32_t>(*position);
  node.node.group = *group;
  if (const int64_t* page = number(kPageColumn)) node.node.page = static_cast<uint32_t>(*page);
  const Result<Json> payload = Json::Parse(row.payload);
  if (!payload.ok()) return damaged("payload");
  for (const Json& heading : (*payload)["heading"].AsArray()) node.node.heading.push_back(heading.AsString());
  node.node.bytes = SpanFromJson((*payload)["bytes"]);
  node.node.extracted = SpanFromJson((*payload)["extracted"]);
  node.node.text = std::move(row.text);
  if (dimension != 0) node.vector = std::move(row.vector);
  return node;
}

bool IsWhole(const CollectionRow& row) {
  const Result<Json> payload = Json::Parse(row.payload);
  return payload.ok() && (*payload)["sum"].AsString() == Checksum(row.text, row.vector);
}

}  // namespace ragtime
