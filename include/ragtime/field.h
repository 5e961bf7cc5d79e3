// SPDX-License-Identifier: Apache-2.0
//
// A field is a named, typed value that a document has beside its text: its year, author, tags. Declared in doc_fields.
#ifndef RAGTIME_FIELD_H_
#define RAGTIME_FIELD_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

enum class FieldType { kInt, kFloat, kBool, kString, kDatetime, kStringList };
std::string_view FieldTypeName(FieldType type);  // "int", "float", "bool", "string", "datetime", "list"
std::optional<FieldType> FieldTypeOf(std::string_view name);

// How a field is found. Each answers every filter; they differ in speed only.
//   kNone      a scan of the column
//   kBtree     ordered: ranges, order by, min and max
//   kHash      equality in O(1)
//   kSkiplist  ordered and mutable: the map store; sealed segments, which never change, hold a kBtree instead
//   kBitmap    one compressed bitmap for each value: few distinct values, combined by and, or, not
enum class FieldIndex { kNone, kBtree, kHash, kSkiplist, kBitmap };
std::string_view FieldIndexName(FieldIndex index);  // "none", "btree", "hash", "skiplist", "bitmap"
std::optional<FieldIndex> FieldIndexOf(std::string_view name);

struct FieldSpec {
  std::string name;  // Letters (of any script), digits and '_', not starting with a digit.
  FieldType type = FieldType::kString;
  FieldIndex index = FieldIndex::kBtree;
  friend bool operator==(const FieldSpec&, const FieldSpec&) = default;
};

// A moment in Unix time.
struct Datetime {
  int64_t ms = 0;
  friend auto operator<=>(const Datetime&, const Datetime&) = default;
};

// monostate is null. Strings are UTF-8 and ordered by their bytes; a float is never NaN.
using FieldValue = std::variant<std::monostate, int64_t, double, bool, std::string, Datetime, std::vector<std::string>>;
// By name. A field that is null has no entry.
using Fields = std::map<std::string, FieldValue, std::less<>>;

// Null has every type.
bool HasType(const FieldValue& value, FieldType type);
// As a filter spells it: 2020, 1.5, true, "Li", "2024-01-02T03:04:05Z", ["a", "b"], null.
std::string ToString(const FieldValue& value);
// ISO 8601: "2024-01-02", "2024-01-02T03:04[:05[.678]]", with "Z", "+08:00" or " +0800"; UTC where no zone is given.
Result<Datetime> ParseDatetime(std::string_view text);
// `text` as a value of `type`; "" is null, a list is separated by commas.
Result<FieldValue> ParseFieldValue(FieldType type, std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_FIELD_H_
