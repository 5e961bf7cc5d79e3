// SPDX-License-Identifier: Apache-2.0
//
// Json is a JSON value: parsed from text, built in code, and printed with its keys in the order they were put in.
//
// Errors: Parse names the byte offset. Integers keep all 64 bits; numbers that are not finite are printed as null.
#ifndef RAGTIME_WIRE_JSON_H_
#define RAGTIME_WIRE_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<int64_t>(value)) {}
  Json(int64_t value) : value_(value) {}
  Json(uint32_t value) : value_(static_cast<int64_t>(value)) {}
  Json(uint64_t value) : value_(static_cast<int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  // At most 100 levels.
  static Result<Json> Parse(std::string_view text, size_t size_bytes_max = size_t{64} << 20);
  // One line; invalid UTF-8 in strings becomes U+FFFD. `indent` > 0: many lines.
  std::string Dump(int indent = 0) const;

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_number() const { return std::holds_alternative<int64_t>(value_) || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // The value if it is of that kind, else the default.
  bool AsBool(bool otherwise = false) const;
  int64_t AsInt(int64_t otherwise = 0) const;
  double AsDouble(double otherwise = 0) const;
  std::string AsString(std::string_view otherwise = "") const;
  const Array& AsArray() const;    // Empty if it is no array.
  const Object& AsObject() const;  // Empty if it is no object.

  // The member or element; a shared null where there is none, so that look-ups can be chained.
  const Json& operator[](std::string_view key) const;
  const Json& operator[](size_t index) const;
  bool Has(std::string_view key) const;

  // Makes it an object / array if it is null. Set replaces an existing key.
  Json& Set(std::string_view key, Json value);
  Json& Append(Json value);

 private:
  void DumpTo(int indent, int depth, std::string& out) const;

  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_JSON_H_
