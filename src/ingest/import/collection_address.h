// SPDX-License-Identifier: Apache-2.0
//
// CollectionAddress is where a collection of another program lies: SERVER/COLLECTION[?NAME=VALUE&...].
#ifndef RAGTIME_INGEST_IMPORT_COLLECTION_ADDRESS_H_
#define RAGTIME_INGEST_IMPORT_COLLECTION_ADDRESS_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

struct CollectionAddress {
  std::string server;  // "http://host:port", or a path.
  std::string collection;
  std::map<std::string, std::string, std::less<>> parameters;
};

// `parameters` are those that are known, with their defaults. Errors: kInvalidArgument begins with `what` ("the address
// of the Chroma collection") and tells how to write it: `form`.
Result<CollectionAddress> ParseCollectionAddress(std::string_view uri,
                                                 std::map<std::string, std::string, std::less<>> parameters,
                                                 std::string_view what, std::string_view form);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_COLLECTION_ADDRESS_H_
