// SPDX-License-Identifier: Apache-2.0
#include "engine/store_address.h"

#include <algorithm>

#include "base/str_cat.h"
#include "engine/config_keys.h"

namespace ragtime {
namespace {

constexpr std::string_view kForm = "write TYPE:URI, for example ragtime:./kb or map:./kb.ragmap";

bool IsWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// By the same functions that read the configuration, so that a type is known here as soon as it is known there.
Status SetKey(Config& config, std::string_view name, std::string_view value) {
  RAGTIME_RETURN_IF_ERROR(FindConfigKey(name)->set(config, std::string(value), {}));
  config.explicit_keys.emplace_back(name);
  return Status();
}

}  // namespace

std::pair<std::string_view, std::string_view> SplitAddress(std::string_view address) {
  const size_t colon = address.find(':');
  if (colon == std::string_view::npos || !IsWord(address.substr(0, colon))) return {{}, address};
  if (address.substr(colon).starts_with("://")) return {{}, address};
  return {address.substr(0, colon), address.substr(colon + 1)};
}

Result<Config> ResolveStoreAddress(std::string_view address, const Config& base) {
  auto [type, uri] = SplitAddress(address);
  if (type.empty() && (uri.ends_with(".yaml") || uri.ends_with(".yml"))) {
    RAGTIME_ASSIGN_OR_RETURN(Config config, LoadConfig(uri));
    if (!config.store.uri.empty()) return config;
    return InvalidArgumentError(StrCat("the configuration ", uri, " names no store_conf.kwargs.uri"), "add it there");
  }
  if (uri.empty()) return InvalidArgumentError(StrCat("the store \"", address, "\" has no URI"), std::string(kForm));
  if (type.empty() && uri.find("://") != std::string_view::npos) {
    return InvalidArgumentError(StrCat("the store \"", address, "\" has no type"), std::string(kForm));
  }
  if (type.empty()) type = uri.ends_with(".ragmap") ? "map" : "ragtime";
  Config config = base;
  const Status known = SetKey(config, "store_conf.type", type);
  if (!known.ok()) return known.Annotate(StrCat("the store \"", address, "\""));
  if (config.store.type != base.store.type) {
    const std::string resolved = config.store.type;
    config.store = StoreConfig{.type = resolved};
    config.catalog = {};
    std::erase_if(config.explicit_keys, [](const std::string& key) { return key.starts_with("store_conf."); });
  }
  RAGTIME_RETURN_IF_ERROR(SetKey(config, "store_conf.kwargs.uri", uri));
  if (config.store.type == "map" && !uri.ends_with(".ragmap")) {
    return InvalidArgumentError(StrCat("the store \"", address, "\" would live in memory, and end with this process"),
                                "give a file to save it to: map:NAME.ragmap");
  }
  return config;
}

std::string AddressOf(const StoreConfig& store) {
  std::string uri = store.uri;
  const size_t scheme = uri.find("://");
  const size_t at = scheme == std::string::npos ? std::string::npos : uri.find('@', scheme);
  if (at != std::string::npos && at < uri.find('/', scheme + 3)) uri.erase(scheme + 3, at + 1 - (scheme + 3));
  return StrCat(store.type, ":", uri);
}

}  // namespace ragtime
