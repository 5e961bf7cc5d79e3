// SPDX-License-Identifier: Apache-2.0
//
// How the text of a configuration key becomes a value: each function makes the `set` of a ConfigKey.
//
// Errors: kInvalidArgument names the key, what stands there, and what may.
#ifndef RAGTIME_ENGINE_CONFIG_VALUES_H_
#define RAGTIME_ENGINE_CONFIG_VALUES_H_

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "ragtime/config.h"
#include "ragtime/status.h"

namespace ragtime {

inline Status WrongValue(std::string_view key, std::string_view value, std::string_view allowed) {
  return InvalidArgumentError(StrCat("the configuration key ", key, " has the value \"", value, "\""),
                              StrCat("write ", allowed));
}

template <typename Integer>
std::function<Status(Config&, const std::string&, const std::filesystem::path&)> Number(
    std::string_view key, Integer least, Integer most, const std::function<Integer&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    Integer number{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least || number > most) {
      return WrongValue(key, value, StrCat("a whole number from ", least, " to ", most));
    }
    field(config) = number;
    return Status();
  };
}

template <typename T>
std::function<Status(Config&, const std::string&, const std::filesystem::path&)> Real(
    std::string_view key, T least, T most, const std::function<T&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    T number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || !(number >= least && number <= most)) {
      return WrongValue(key, value, StrCat("a number from ", least, " to ", most));
    }
    field(config) = number;
    return Status();
  };
}

inline auto Text(const std::function<std::string&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    field(config) = value;
    return Status();
  };
}

inline std::filesystem::path Resolve(const std::string& value, const std::filesystem::path& base) {
  std::filesystem::path path(value);
  if (path.empty() || path.is_absolute() || base.empty()) return path;
  return (base / path).lexically_normal();
}

template <typename T>
auto Choice(std::string_view key, const std::vector<std::pair<std::string_view, T>>& choices,
            const std::function<T&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    std::string allowed;
    for (const auto& [name, choice] : choices) {
      if (name == value) {
        field(config) = choice;
        return Status();
      }
      allowed += StrCat(allowed.empty() ? "" : " | ", name);
    }
    return WrongValue(key, value, StrCat("one of ", allowed));
  };
}

// "a, b" -> {"a", "b"}; a YAML list arrives in this form.
inline std::vector<std::string> SplitList(std::string_view text, char separator) {
  std::vector<std::string> items;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(separator, start), text.size());
    std::string_view item = text.substr(start, end - start);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    start = end + 1;
  }
  return items;
}

inline auto List(const std::function<std::vector<std::string>&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    field(config) = SplitList(value, ',');
    return Status();
  };
}

inline auto Switch(std::string_view key, const std::function<bool&(Config&)>& field) {
  return Choice<bool>(key, {{"true", true}, {"false", false}}, field);
}

inline auto File(const std::function<std::string&(Config&)>& field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path& base) -> Status {
    field(config) = Resolve(value, base).string();
    return Status();
  };
}

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_CONFIG_VALUES_H_
