// SPDX-License-Identifier: Apache-2.0
//
// A store address names one store in one word: "ragtime:./kb", "map:./kb.ragmap", "chroma:http://host:8000".
#ifndef RAGTIME_ENGINE_STORE_ADDRESS_H_
#define RAGTIME_ENGINE_STORE_ADDRESS_H_

#include <string>
#include <string_view>
#include <utility>

#include "ragtime/config.h"
#include "ragtime/status.h"

namespace ragtime {

// The part before the first ':' and the rest; the first is "" where no type is given: "./kb", "http://host".
std::pair<std::string_view, std::string_view> SplitAddress(std::string_view address);

// `address` is TYPE:URI, a path alone (a folder, or a map file NAME.ragmap), or a configuration NAME.yaml. What `base`
// says of a store stays where it is of the same type: the user, token or index of a server.
Result<Config> ResolveStoreAddress(std::string_view address, const Config& base);

// "ragtime:./kb": the address that names config.store, without user and password.
std::string AddressOf(const StoreConfig& store);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_STORE_ADDRESS_H_
