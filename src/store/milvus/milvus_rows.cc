// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_rows.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "base/str_cat.h"
#include "store/hits.h"
#include "store/milvus/milvus_columns.h"
#include "store/milvus/milvus_expression.h"

namespace ragtime {
namespace {

namespace schema = milvus::proto::schema;
using milvus::proto::milvus::QueryResults;
using milvus::proto::milvus::UpsertRequest;
using milvus::proto::schema::SearchResultData;

constexpr char kId[] = "id";
constexpr char kVector[] = "vector";
constexpr char kText[] = "text";
constexpr char kPayload[] = "payload";
constexpr int kRestPiecesMax = 64;  // 4 MiB; a node's text has at most 1 MiB.

std::string RestOf(std::string_view name) { return StrCat(name, "_rest"); }

// Pieces that fit into a VARCHAR each and end between characters.
std::vector<std::string_view> Pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  do {
    size_t size = std::min(text.size(), kVarcharBytesMax);
    while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    pieces.push_back(text.substr(0, size));
    text.remove_prefix(size);
  } while (!text.empty());
  return pieces;
}

schema::DataType TypeOf(FieldType type) {
  switch (type) {
    case FieldType::kFloat:
      return schema::Double;
    case FieldType::kBool:
      return schema::Bool;
    case FieldType::kString:
      return schema::VarChar;
    case FieldType::kStringList:
      return schema::Array;
    case FieldType::kInt:
    case FieldType::kDatetime:
      break;
  }
  return schema::Int64;
}

void SetParameter(schema::FieldSchema& field, std::string key, std::string value) {
  auto* parameter = field.add_type_params();
  parameter->set_key(std::move(key));
  parameter->set_value(std::move(value));
}

schema::FieldSchema& AddField(schema::CollectionSchema& to, std::string name, schema::DataType type, bool nullable) {
  schema::FieldSchema& field = *to.add_fields();
  field.set_name(std::move(name));
  field.set_data_type(type);
  field.set_nullable(nullable);
  if (type == schema::VarChar || type == schema::Array) {
    SetParameter(field, "max_length", StrCat(kVarcharBytesMax));
  }
  if (type == schema::Array) {
    field.set_element_type(schema::VarChar);
    SetParameter(field, "max_capacity", StrCat(kListValuesMax));
  }
  return field;
}

// Appends `value` to the column. Of a null, only its mark is kept.
class Column {
 public:
  Column(UpsertRequest& request, std::string name, schema::DataType type, bool nullable)
      : data_(*request.add_fields_data()), nullable_(nullable) {
    data_.set_field_name(std::move(name));
    data_.set_type(type);
    // A column of nulls still says of which type it is.
    auto& scalars = *data_.mutable_scalars();
    if (type == schema::Int64) scalars.mutable_long_data();
    if (type == schema::Double) scalars.mutable_double_data();
    if (type == schema::Bool) scalars.mutable_bool_data();
    if (type == schema::VarChar) scalars.mutable_string_data();
    if (type == schema::Array) scalars.mutable_array_data()->set_element_type(schema::VarChar);
  }

  void AddNull() { data_.add_valid_data(false); }
  void Add(std::string_view text) {
    Mark();
    data_.mutable_scalars()->mutable_string_data()->add_data(std::string(text));
  }
  void Add(int64_t number) {
    Mark();
    data_.mutable_scalars()->mutable_long_data()->add_data(number);
  }
  // Of the type that the column was made with.
  void Add(const FieldValue& value) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      Add(*number);
    } else if (const auto* moment = std::get_if<Datetime>(&value)) {
      Add(moment->ms);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      Add(std::string_view(*text));
    } else if (const auto* real = std::get_if<double>(&value)) {
      Mark();
      data_.mutable_scalars()->mutable_double_data()->add_data(*real);
    } else if (const auto* truth = std::get_if<bool>(&value)) {
      Mark();
      data_.mutable_scalars()->mutable_bool_data()->add_data(*truth);
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      Mark();
      auto* strings = data_.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data();
      for (const std::string& element : *list) strings->add_data(element);
    } else {
      AddNull();
    }
  }

 private:
  void Mark() {
    if (nullable_) data_.add_valid_data(true);
  }
  schema::FieldData& data_;
  const bool nullable_;
};

Status TooLong(const CollectionRow& row, std::string_view column, size_t size, size_t limit) {
  return InvalidArgumentError(
      StrCat("row ", row.id, " has ", size, " in ", column, ", and Milvus takes at most ", limit),
      "shorten it, or keep the knowledge base in another store");
}

Status AddText(UpsertRequest& request, std::span<const CollectionRow> rows, const std::string& name,
               std::string CollectionRow::* text) {
  std::vector<std::vector<std::string>> rests;
  Column begin(request, name, schema::VarChar, false);
  for (const CollectionRow& row : rows) {
    const std::vector<std::string_view> pieces = Pieces(row.*text);
    if (pieces.size() > kRestPiecesMax + 1) {
      return TooLong(row, name, (row.*text).size(), (kRestPiecesMax + 1) * kVarcharBytesMax);
    }
    begin.Add(pieces.front());
    rests.emplace_back(pieces.begin() + 1, pieces.end());
  }
  Column rest(request, RestOf(name), schema::Array, true);
  for (std::vector<std::string>& pieces : rests)
    rest.Add(pieces.empty() ? FieldValue() : FieldValue(std::move(pieces)));
  return Status();
}

Status CheckLengths(const CollectionRow& row, const std::string& name, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value); text != nullptr && text->size() > kVarcharBytesMax) {
    return TooLong(row, name, text->size(), kVarcharBytesMax);
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    if (list->size() > kListValuesMax) return TooLong(row, name, list->size(), kListValuesMax);
    for (const std::string& element : *list) {
      if (element.size() > kVarcharBytesMax) return TooLong(row, name, element.size(), kVarcharBytesMax);
    }
  }
  return Status();
}

FieldValue ValueOf(const AnsweredColumn& column, int place, FieldType type) {
  const schema::ScalarField& scalars = column.scalars();
  switch (type) {
    case FieldType::kInt:
      return scalars.long_data().data(place);
    case FieldType::kDatetime:
      return Datetime{scalars.long_data().data(place)};
    case FieldType::kFloat:
      return scalars.double_data().data(place);
    case FieldType::kBool:
      return scalars.bool_data().data(place);
    case FieldType::kString:
      return scalars.string_data().data(place);
    case FieldType::kStringList:
      break;
  }
  const auto& strings = scalars.array_data().data(place).string_data().data();
  return std::vector<std::string>(strings.begin(), strings.end());
}

bool HoldsType(const schema::ScalarField& scalars, FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kDatetime:
      return scalars.has_long_data();
    case FieldType::kFloat:
      return scalars.has_double_data();
    case FieldType::kBool:
      return scalars.has_bool_data();
    case FieldType::kString:
      return scalars.has_string_data();
    case FieldType::kStringList:
      break;
  }
  return scalars.has_array_data();
}

const schema::FieldData* Find(const QueryResults& results, std::string_view name) {
  for (const schema::FieldData& field : results.fields_data()) {
    if (field.field_name() == name) return &field;
  }
  return nullptr;
}

Status Lacking(std::string_view column) {
  return DataLossError(StrCat("the answer of Milvus has no valid column ", column),
                       "check that the collection was made by Ragtime, and that the server is sound");
}

Status ReadText(const QueryResults& results, const std::string& name, std::string CollectionRow::* text,
                std::vector<CollectionRow>& rows) {
  const schema::FieldData* begin = Find(results, name);
  if (begin == nullptr) return Lacking(name);
  const AnsweredColumn begins(*begin, rows.size());
  if (!begins.IsWhole() || !begins.scalars().has_string_data()) return Lacking(name);
  for (size_t row = 0; row < rows.size(); ++row) {
    if (const auto place = begins.Place(row)) rows[row].*text = begins.scalars().string_data().data(*place);
  }
  const schema::FieldData* rest = Find(results, RestOf(name));
  if (rest == nullptr) return Status();  // All is null.
  const AnsweredColumn rests(*rest, rows.size());
  if (!rests.IsWhole()) return Lacking(RestOf(name));
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto place = rests.Place(row);
    if (!place) continue;
    if (!rests.scalars().has_array_data()) return Lacking(RestOf(name));
    for (const std::string& piece : rests.scalars().array_data().data(*place).string_data().data()) {
      rows[row].*text += piece;
    }
  }
  return Status();
}

Status ReadVectors(const CollectionSpec& spec, const QueryResults& results, std::vector<CollectionRow>& rows) {
  const schema::FieldData* field = Find(results, kVector);
  const size_t dimension = MilvusDimension(spec);
  if (field == nullptr || !field->vectors().has_float_vector()) return Lacking(kVector);
  const auto& data = field->vectors().float_vector().data();
  if (static_cast<size_t>(data.size()) != rows.size() * dimension) return Lacking(kVector);
  for (size_t row = 0; row < rows.size(); ++row) {
    const float* first = data.data() + row * dimension;
    rows[row].vector.assign(first, first + spec.dimension);
  }
  return Status();
}

Result<std::vector<int64_t>> IdsOf(const QueryResults& results) {
  const schema::FieldData* field = Find(results, kId);
  if (field == nullptr) {
    if (results.fields_data_size() == 0) return std::vector<int64_t>();
    return Lacking(kId);
  }
  const auto& ids = field->scalars().long_data().data();
  return std::vector<int64_t>(ids.begin(), ids.end());
}

}  // namespace

size_t MilvusDimension(const CollectionSpec& spec) { return std::max<size_t>(spec.dimension, 2); }

schema::CollectionSchema SchemaOf(const CollectionSpec& spec) {
  schema::CollectionSchema result;
  result.set_name(spec.name);
  schema::FieldSchema& id = AddField(result, kId, schema::Int64, false);
  id.set_is_primary_key(true);
  SetParameter(AddField(result, kVector, schema::FloatVector, false), "dim", StrCat(MilvusDimension(spec)));
  for (const std::string name : {kText, kPayload}) {
    AddField(result, name, schema::VarChar, false);
    AddField(result, RestOf(name), schema::Array, true);
  }
  for (const FieldSpec& column : spec.columns) {
    AddField(result, MilvusColumn(column.name), TypeOf(column.type), true);
  }
  return result;
}

Result<UpsertRequest> UpsertOf(const CollectionSpec& spec, std::span<const CollectionRow> rows) {
  UpsertRequest request;
  request.set_collection_name(spec.name);
  request.set_num_rows(static_cast<uint32_t>(rows.size()));
  Column ids(request, kId, schema::Int64, false);
  schema::FieldData& vectors = *request.add_fields_data();
  vectors.set_field_name(kVector);
  vectors.set_type(schema::FloatVector);
  vectors.mutable_vectors()->set_dim(static_cast<int64_t>(MilvusDimension(spec)));
  auto& floats = *vectors.mutable_vectors()->mutable_float_vector()->mutable_data();
  floats.Reserve(static_cast<int>(rows.size() * MilvusDimension(spec)));
  for (const CollectionRow& row : rows) {
    if (row.vector.size() != spec.dimension) {
      return InvalidArgumentError(StrCat("row ", row.id, " has a vector of dimension ", row.vector.size(),
                                         ", and the collection ", spec.name, " has ", spec.dimension));
    }
    ids.Add(row.id);
    floats.Add(row.vector.begin(), row.vector.end());
    for (size_t i = row.vector.size(); i < MilvusDimension(spec); ++i) floats.Add(0.0f);
  }
  RAGTIME_RETURN_IF_ERROR(AddText(request, rows, kText, &CollectionRow::text));
  RAGTIME_RETURN_IF_ERROR(AddText(request, rows, kPayload, &CollectionRow::payload));
  for (const FieldSpec& spec_column : spec.columns) {
    Column column(request, MilvusColumn(spec_column.name), TypeOf(spec_column.type), true);
    for (const CollectionRow& row : rows) {
      const auto value = row.columns.find(spec_column.name);
      if (value == row.columns.end()) {
        column.AddNull();
        continue;
      }
      if (!HasType(value->second, spec_column.type)) {
        return InvalidArgumentError(StrCat("row ", row.id, " has a value of another type in ", spec_column.name));
      }
      RAGTIME_RETURN_IF_ERROR(CheckLengths(row, spec_column.name, value->second));
      column.Add(value->second);
    }
  }
  return request;
}

size_t SizeBytesOf(const CollectionRow& row) {
  size_t size = 64 + row.vector.size() * sizeof(float) + row.text.size() + row.payload.size();
  for (const auto& [name, value] : row.columns) {
    if (const auto* text = std::get_if<std::string>(&value)) size += text->size();
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& element : *list) size += element.size();
    }
    size += 16;
  }
  return size;
}

std::vector<std::string> OutputFields(const CollectionSpec& spec, bool with_vectors) {
  std::vector<std::string> fields = {kId};
  if (with_vectors) fields.emplace_back(kVector);
  for (const std::string name : {kText, kPayload}) {
    fields.push_back(name);
    fields.push_back(RestOf(name));
  }
  for (const FieldSpec& column : spec.columns) fields.push_back(MilvusColumn(column.name));
  return fields;
}

Result<std::vector<CollectionRow>> RowsOf(const CollectionSpec& spec, const QueryResults& results, bool with_vectors) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, IdsOf(results));
  std::vector<CollectionRow> rows(ids.size());
  if (rows.empty()) return rows;
  for (size_t row = 0; row < ids.size(); ++row) rows[row].id = ids[row];
  RAGTIME_RETURN_IF_ERROR(ReadText(results, kText, &CollectionRow::text, rows));
  RAGTIME_RETURN_IF_ERROR(ReadText(results, kPayload, &CollectionRow::payload, rows));
  if (with_vectors) RAGTIME_RETURN_IF_ERROR(ReadVectors(spec, results, rows));
  for (const FieldSpec& wanted : spec.columns) {
    const schema::FieldData* field = Find(results, MilvusColumn(wanted.name));
    if (field == nullptr) continue;  // All is null.
    const AnsweredColumn column(*field, rows.size());
    for (size_t row = 0; row < rows.size(); ++row) {
      const std::optional<int> place = column.Place(row);
      if (!place) continue;
      if (!column.IsWhole() || !HoldsType(column.scalars(), wanted.type)) return Lacking(wanted.name);
      rows[row].columns[wanted.name] = ValueOf(column, *place, wanted.type);
    }
  }
  return rows;
}

Result<std::vector<CollectionHit>> HitsOf(const CollectionSpec& spec, const SearchResultData& data) {
  const auto& ids = data.ids().int_id().data();
  if (ids.size() > data.scores_size()) return Lacking("of scores");
  std::vector<CollectionHit> hits;
  hits.reserve(static_cast<size_t>(ids.size()));
  for (int i = 0; i < ids.size(); ++i) {
    const float score = data.scores(i);
    if (std::isnan(score)) return Lacking("of scores");  // It has no place in any order.
    hits.push_back({ids[i], spec.metric == Metric::kL2 ? -score : score});
  }
  SortBestFirst(hits);
  return hits;
}

}  // namespace ragtime
