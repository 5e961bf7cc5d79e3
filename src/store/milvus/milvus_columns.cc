// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_columns.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

namespace schema = milvus::proto::schema;

constexpr char kDynamic[] = "$meta";

float FloatOfHalf(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  float value = 0;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else {
    value = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

float FloatOfBrain(uint16_t brain) { return std::bit_cast<float>(static_cast<uint32_t>(brain) << 16); }

bool IsDenseVector(schema::DataType type) {
  return type == schema::FloatVector || type == schema::Float16Vector || type == schema::BFloat16Vector;
}

bool IsScalar(schema::DataType type) {
  switch (type) {
    case schema::Bool:
    case schema::Int8:
    case schema::Int16:
    case schema::Int32:
    case schema::Int64:
    case schema::Float:
    case schema::Double:
    case schema::String:
    case schema::VarChar:
    case schema::Array:
    case schema::JSON:
      return true;
    default:
      return false;
  }
}

// What Milvus keeps for itself. A server does not show them, a file of Milvus Lite 2.x does.
bool IsSystemField(const schema::FieldSchema& field) {
  return field.fieldid() < 100 && (field.name() == "RowID" || field.name() == "Timestamp");
}

// A value of 32 bits as the decimal number that it was written as: 2.5, and 0.1 rather than 0.10000000149.
Json Decimal(float value) {
  const Result<Json> parsed = Json::Parse(StrCat(value));
  return parsed.ok() ? *parsed : Json(double{value});
}

Json ValueAt(const schema::ScalarField& scalars, int place);

Json ArrayOf(const schema::ScalarField& scalars) {
  Json array(Json::Array{});
  const int count = std::max({scalars.bool_data().data_size(), scalars.int_data().data_size(),
                              scalars.long_data().data_size(), scalars.float_data().data_size(),
                              scalars.double_data().data_size(), scalars.string_data().data_size()});
  for (int i = 0; i < count; ++i) array.Append(ValueAt(scalars, i));
  return array;
}

Json ValueAt(const schema::ScalarField& scalars, int place) {
  switch (scalars.data_case()) {
    case schema::ScalarField::kBoolData:
      return scalars.bool_data().data(place);
    case schema::ScalarField::kIntData:
      return int64_t{scalars.int_data().data(place)};
    case schema::ScalarField::kLongData:
      return int64_t{scalars.long_data().data(place)};
    case schema::ScalarField::kFloatData:
      return Decimal(scalars.float_data().data(place));
    case schema::ScalarField::kDoubleData:
      return scalars.double_data().data(place);
    case schema::ScalarField::kStringData:
      return scalars.string_data().data(place);
    case schema::ScalarField::kArrayData:
      return ArrayOf(scalars.array_data().data(place));
    case schema::ScalarField::kJsonData: {
      Result<Json> json = Json::Parse(scalars.json_data().data(place));
      return json.ok() ? *std::move(json) : Json();
    }
    default:
      return Json();
  }
}

std::vector<float> VectorAt(const schema::VectorField& vectors, int place) {
  const auto dimension = static_cast<size_t>(vectors.dim());
  const size_t first = static_cast<size_t>(place) * dimension;
  if (vectors.has_float_vector()) {
    const float* begin = vectors.float_vector().data().data() + first;
    return {begin, begin + dimension};
  }
  std::vector<float> vector(dimension);
  const bool half = vectors.has_float16_vector();
  const std::string& bytes = half ? vectors.float16_vector() : vectors.bfloat16_vector();
  for (size_t i = 0; i < dimension; ++i) {
    uint16_t value = 0;
    std::memcpy(&value, bytes.data() + (first + i) * sizeof(value), sizeof(value));
    vector[i] = half ? FloatOfHalf(value) : FloatOfBrain(value);
  }
  return vector;
}

// Under their own names, unless a column has that name.
void AddMembers(const Json& object, Json& columns) {
  for (const auto& [name, value] : object.AsObject()) {
    if (!columns.Has(name)) columns.Set(name, value);
  }
}

}  // namespace

AnsweredColumn::AnsweredColumn(const schema::FieldData& data, size_t rows) : data_(data), rows_(rows) {
  if (data.valid_data_size() != static_cast<int>(rows)) return;
  size_t next = 0;
  for (const bool valid : data.valid_data()) places_.push_back(valid ? next++ : SIZE_MAX);
  if (ValueCount() != next) {
    for (size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] != SIZE_MAX) places_[i] = i;
    }
  }
}

bool AnsweredColumn::IsWhole() const {
  const size_t count = ValueCount();
  if (count > 0 && data_.has_vectors() && data_.vectors().dim() < 1) return false;
  if (places_.empty()) return count == rows_;
  return std::all_of(places_.begin(), places_.end(), [count](size_t i) { return i == SIZE_MAX || i < count; });
}

std::optional<int> AnsweredColumn::Place(size_t row) const {
  if (places_.empty()) return static_cast<int>(row);
  if (places_[row] == SIZE_MAX) return std::nullopt;
  return static_cast<int>(places_[row]);
}

size_t AnsweredColumn::ValueCount() const {
  if (data_.has_vectors()) {
    const schema::VectorField& vectors = data_.vectors();
    const auto dimension = static_cast<size_t>(std::max<int64_t>(vectors.dim(), 1));
    if (vectors.has_float16_vector()) return vectors.float16_vector().size() / sizeof(uint16_t) / dimension;
    if (vectors.has_bfloat16_vector()) return vectors.bfloat16_vector().size() / sizeof(uint16_t) / dimension;
    return static_cast<size_t>(vectors.float_vector().data_size()) / dimension;
  }
  const schema::ScalarField& scalars = data_.scalars();
  return static_cast<size_t>(
      std::max({scalars.long_data().data_size(), scalars.double_data().data_size(), scalars.bool_data().data_size(),
                scalars.string_data().data_size(), scalars.array_data().data_size(), scalars.int_data().data_size(),
                scalars.float_data().data_size(), scalars.json_data().data_size()}));
}

Result<MilvusLayout> MilvusLayoutOf(const schema::CollectionSchema& schema, const ForeignCollection& wanted) {
  MilvusLayout layout;
  std::string known;
  size_t vectors = 0;
  for (const auto& field : schema.fields()) {
    if (IsSystemField(field)) continue;
    if (field.is_primary_key()) {
      layout.key = field.name();
      layout.key_is_text = field.data_type() == schema::VarChar || field.data_type() == schema::String;
    }
    if (IsScalar(field.data_type()) && field.name() != kDynamic) layout.columns.push_back(field.name());
    if (!IsDenseVector(field.data_type())) continue;
    ++vectors;
    known += StrCat(known.empty() ? "" : ", ", field.name());
    if (wanted.vector.empty() || wanted.vector == field.name()) layout.vector = field.name();
  }
  if (layout.key.empty()) {
    return InvalidArgumentError(StrCat("the collection ", wanted.name, " has no primary key"), "check its schema");
  }
  if (layout.vector.empty() || (wanted.vector.empty() && vectors > 1)) {
    const std::string what = StrCat("the collection ", wanted.name);
    if (vectors == 0) {
      return InvalidArgumentError(StrCat(what, " has no column of dense vectors"), "ingest its documents instead");
    }
    return InvalidArgumentError(wanted.vector.empty()
                                    ? StrCat(what, " has several columns of vectors: ", known)
                                    : StrCat(what, " has no column ", wanted.vector, " of dense vectors, only ", known),
                                "name one with --map vector=COLUMN");
  }
  layout.columns.push_back(layout.vector);
  if (schema.enable_dynamic_field()) layout.columns.emplace_back(kDynamic);
  return layout;
}

Result<std::vector<ForeignRow>> ForeignRowsOf(const MilvusLayout& layout,
                                              const google::protobuf::RepeatedPtrField<schema::FieldData>& fields,
                                              size_t rows) {
  std::vector<ForeignRow> result(rows);
  for (ForeignRow& row : result) row.columns = Json(Json::Object{});
  std::vector<std::vector<Json>> objects(rows);
  for (const schema::FieldData& data : fields) {
    const bool is_vector = data.field_name() == layout.vector;
    // A server answers with its own dynamic column under that name or none.
    const bool known =
        is_vector || data.is_dynamic() ||
        std::find(layout.columns.begin(), layout.columns.end(), data.field_name()) != layout.columns.end();
    if (!known) continue;
    const AnsweredColumn column(data, rows);
    if (!column.IsWhole()) {
      return DataLossError(StrCat("the answer of Milvus has no valid column ", data.field_name()),
                           "check that the server is sound");
    }
    for (size_t row = 0; row < rows; ++row) {
      const std::optional<int> place = column.Place(row);
      if (!place) continue;
      if (is_vector) {
        result[row].vector = VectorAt(data.vectors(), *place);
        continue;
      }
      Json value = ValueAt(column.scalars(), *place);
      if (data.field_name() == layout.key) result[row].id = value.is_string() ? value.AsString() : value.Dump();
      if (value.is_object()) {
        objects[row].push_back(std::move(value));
      } else if (!value.is_null()) {
        result[row].columns.Set(data.field_name(), std::move(value));
      }
    }
  }
  for (size_t row = 0; row < rows; ++row) {
    for (const Json& object : objects[row]) AddMembers(object, result[row].columns);
  }
  return result;
}

}  // namespace ragtime
