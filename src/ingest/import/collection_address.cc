// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/collection_address.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {

Result<CollectionAddress> ParseCollectionAddress(std::string_view uri,
                                                 std::map<std::string, std::string, std::less<>> parameters,
                                                 std::string_view what, std::string_view form) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgumentError(StrCat(what, " ", why), StrCat("write ", form));
  };
  CollectionAddress address{.parameters = std::move(parameters)};
  const size_t scheme = uri.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::string_view before = uri.substr(0, uri.find('?'));
  const size_t slash = before.rfind('/');
  if (slash == std::string_view::npos || slash < host || slash == 0 || slash + 1 == before.size()) {
    return refuse("names no collection");
  }
  address.server = before.substr(0, slash);
  address.collection = before.substr(slash + 1);
  for (std::string_view rest = uri.substr(std::min(before.size() + 1, uri.size())); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    const size_t equals = pair.find('=');
    const auto parameter = address.parameters.find(pair.substr(0, equals));
    if (equals == std::string_view::npos || parameter == address.parameters.end()) {
      return refuse(StrCat("has the parameter ", pair.substr(0, std::min<size_t>(equals, 40)), ", which is not known"));
    }
    parameter->second = pair.substr(equals + 1);
    rest = rest.substr(std::min(pair.size() + 1, rest.size()));
  }
  return address;
}

}  // namespace ragtime
