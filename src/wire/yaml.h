// SPDX-License-Identifier: Apache-2.0
//
// Yaml is a parsed YAML document in which every value knows its line. Scalars are text: who reads them knows the type.
//
// Errors: kInvalidArgument names the line. Hostile input is refused by size, depth and what its aliases make of it.
#ifndef RAGTIME_WIRE_YAML_H_
#define RAGTIME_WIRE_YAML_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

struct Yaml {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  std::string text;             // Of a scalar, without its quotes.
  std::vector<Yaml> items;      // Of a list.
  std::vector<Member> members;  // Of a map, in the order of the text; no key stands twice.
  int line = 1;                 // Where it begins.

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  // The member of that name; none if there is none, or if it is no map.
  const Yaml* Find(std::string_view key) const;
  // Scalars become strings.
  Json ToJson() const;
};

struct Yaml::Member {
  std::string key;
  Yaml value;
  int line = 1;  // Of the key.
};

inline constexpr size_t kYamlSizeBytesMax = size_t{1} << 20;

// The first document of `text`, which is UTF-8; null if there is none. Keys are scalars. An alias is replaced by what
// it stands for; a merge key (<<) is a key like any other.
Result<Yaml> ParseYaml(std::string_view text, size_t size_bytes_max = kYamlSizeBytesMax);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_YAML_H_
