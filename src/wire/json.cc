// SPDX-License-Identifier: Apache-2.0
#include "wire/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr size_t kDepthMax = 100;

const Json& NullJson() {
  static const Json* const null = new Json;
  return *null;
}

// Of members with the same key the last one stays, at the place of the first. Sorting keeps a hostile object of a
// million keys from taking quadratic time.
void DropRepeatedKeys(Json::Object& members) {
  if (members.size() < 2) return;
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return members[a].first < members[b].first; });
  std::vector<bool> dropped(members.size());
  bool any = false;
  for (size_t i = 0; i + 1 < order.size();) {
    size_t last = i;
    while (last + 1 < order.size() && members[order[last + 1]].first == members[order[i]].first) ++last;
    if (last > i) {
      members[order[i]].second = std::move(members[order[last]].second);
      for (size_t k = i + 1; k <= last; ++k) dropped[order[k]] = true;
      any = true;
    }
    i = last + 1;
  }
  if (!any) return;
  Json::Object kept;
  for (size_t i = 0; i < members.size(); ++i) {
    if (!dropped[i]) kept.push_back(std::move(members[i]));
  }
  members = std::move(kept);
}

// Builds a Json from the parser's events on a stack of the containers that are still open.
class Builder {
 public:
  Builder(size_t text_bytes, Status& error) : text_bytes_(text_bytes), error_(error) {}

  bool null() { return Add(Json()); }
  bool boolean(bool value) { return Add(Json(value)); }
  bool number_integer(int64_t value) { return Add(Json(value)); }
  bool number_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return Add(Json(static_cast<double>(value)));
    return Add(Json(static_cast<int64_t>(value)));
  }
  bool number_float(double value, const std::string&) { return Add(Json(value)); }
  bool string(std::string& value) { return Add(Json(std::move(value))); }
  bool binary(std::vector<uint8_t>&) { return false; }
  bool start_object(size_t) { return Open(true); }
  bool start_array(size_t) { return Open(false); }
  bool key(std::string& value) {
    open_.back().members.emplace_back(std::move(value), Json());
    return true;
  }
  bool end_object() {
    Json::Object members = std::move(open_.back().members);
    open_.pop_back();
    DropRepeatedKeys(members);
    return Add(Json(std::move(members)));
  }
  bool end_array() {
    Json::Array elements = std::move(open_.back().elements);
    open_.pop_back();
    return Add(Json(std::move(elements)));
  }
  template <typename Exception>
  bool parse_error(size_t position, const std::string&, const Exception&) {
    // The parser counts the byte that it stumbled over as read.
    const size_t offset = std::min(position == 0 ? 0 : position - 1, text_bytes_);
    error_ = InvalidArgumentError(offset == text_bytes_ ? StrCat("the JSON text ends too early, at byte ", offset)
                                                        : StrCat("the JSON text is malformed at byte ", offset));
    return false;
  }

  Json TakeRoot() { return std::move(root_); }

 private:
  struct Container {
    bool is_object = false;
    Json::Object members;  // The last one waits for its value.
    Json::Array elements;
  };

  bool Open(bool is_object) {
    if (open_.size() >= kDepthMax) {
      error_ = ResourceExhaustedError(StrCat("the JSON text is nested deeper than ", kDepthMax, " levels"));
      return false;
    }
    open_.emplace_back().is_object = is_object;
    return true;
  }

  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.back().second = std::move(value);
    } else {
      open_.back().elements.push_back(std::move(value));
    }
    return true;
  }

  const size_t text_bytes_;
  Status& error_;
  std::vector<Container> open_;
  Json root_;
};

void DumpString(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const DecodedCharacter character = DecodeUtf8(text, i);
      AppendUtf8(character.code_point, out);
      i += character.size_bytes;
      continue;
    }
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        } else {
          out += static_cast<char>(byte);
        }
    }
    ++i;
  }
  out += '"';
}

void DumpDouble(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  out += text;
  // "1.0" and not "1", so that a number keeps its kind through Parse.
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void NewLine(int indent, int depth, std::string& out) {
  if (indent <= 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
}

}  // namespace

Result<Json> Json::Parse(std::string_view text, size_t size_bytes_max) {
  if (text.size() > size_bytes_max) {
    return ResourceExhaustedError(StrCat("the JSON text has ", text.size(), " bytes, more than ", size_bytes_max));
  }
  Status error;
  Builder builder(text.size(), error);
  try {
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
      return error.ok() ? InvalidArgumentError("the JSON text is malformed") : error;
    }
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError(StrCat("there is no memory to parse a JSON text of ", text.size(), " bytes"));
  } catch (const std::exception& exception) {
    return InvalidArgumentError(StrCat("the JSON text is malformed: ", exception.what()));
  }
  return builder.TakeRoot();
}

std::string Json::Dump(int indent) const {
  std::string out;
  DumpTo(indent, 0, out);
  return out;
}

void Json::DumpTo(int indent, int depth, std::string& out) const {
  if (const bool* boolean = std::get_if<bool>(&value_)) {
    out += *boolean ? "true" : "false";
  } else if (const int64_t* integer = std::get_if<int64_t>(&value_)) {
    out += std::to_string(*integer);
  } else if (const double* real = std::get_if<double>(&value_)) {
    DumpDouble(*real, out);
  } else if (const std::string* text = std::get_if<std::string>(&value_)) {
    DumpString(*text, out);
  } else if (const Array* elements = std::get_if<Array>(&value_)) {
    out += '[';
    for (size_t i = 0; i < elements->size(); ++i) {
      if (i > 0) out += ',';
      NewLine(indent, depth + 1, out);
      (*elements)[i].DumpTo(indent, depth + 1, out);
    }
    if (!elements->empty()) NewLine(indent, depth, out);
    out += ']';
  } else if (const Object* members = std::get_if<Object>(&value_)) {
    out += '{';
    for (size_t i = 0; i < members->size(); ++i) {
      if (i > 0) out += ',';
      NewLine(indent, depth + 1, out);
      DumpString((*members)[i].first, out);
      out += indent > 0 ? ": " : ":";
      (*members)[i].second.DumpTo(indent, depth + 1, out);
    }
    if (!members->empty()) NewLine(indent, depth, out);
    out += '}';
  } else {
    out += "null";
  }
}

bool Json::AsBool(bool otherwise) const {
  const bool* value = std::get_if<bool>(&value_);
  return value != nullptr ? *value : otherwise;
}

int64_t Json::AsInt(int64_t otherwise) const {
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return *value;
  // Some writers print whole numbers as 3.0. Past 2^53 a double no longer says which integer was meant.
  constexpr double kExactMax = 9007199254740992.0;
  const double* real = std::get_if<double>(&value_);
  if (real != nullptr && std::abs(*real) <= kExactMax && *real == std::floor(*real)) return static_cast<int64_t>(*real);
  return otherwise;
}

double Json::AsDouble(double otherwise) const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const int64_t* value = std::get_if<int64_t>(&value_)) return static_cast<double>(*value);
  return otherwise;
}

std::string Json::AsString(std::string_view otherwise) const {
  const std::string* value = std::get_if<std::string>(&value_);
  return value != nullptr ? *value : std::string(otherwise);
}

const Json::Array& Json::AsArray() const {
  static const Array* const empty = new Array;
  const Array* value = std::get_if<Array>(&value_);
  return value != nullptr ? *value : *empty;
}

const Json::Object& Json::AsObject() const {
  static const Object* const empty = new Object;
  const Object* value = std::get_if<Object>(&value_);
  return value != nullptr ? *value : *empty;
}

const Json& Json::operator[](std::string_view key) const {
  for (const auto& [name, value] : AsObject()) {
    if (name == key) return value;
  }
  return NullJson();
}

const Json& Json::operator[](size_t index) const {
  const Array& elements = AsArray();
  return index < elements.size() ? elements[index] : NullJson();
}

bool Json::Has(std::string_view key) const {
  const Object& members = AsObject();
  return std::any_of(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
}

Json& Json::Set(std::string_view key, Json value) {
  if (!is_object()) value_ = Object();
  Object& members = std::get<Object>(value_);
  for (auto& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::string(key), std::move(value));
  return *this;
}

Json& Json::Append(Json value) {
  if (!is_array()) value_ = Array();
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

}  // namespace ragtime
