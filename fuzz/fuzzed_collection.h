// SPDX-License-Identifier: Apache-2.0
//
// FuzzedCollection is a collection of a store on a server with a column of each type, as the answers of fuzzed servers
// are read.
#ifndef RAGTIME_FUZZ_FUZZED_COLLECTION_H_
#define RAGTIME_FUZZ_FUZZED_COLLECTION_H_

#include "store/collection.h"

namespace ragtime {

inline CollectionSpec FuzzedCollection() {
  return {.name = "c",
          .dimension = 3,
          .columns = {{"year", FieldType::kInt},
                      {"when", FieldType::kDatetime},
                      {"price", FieldType::kFloat},
                      {"open", FieldType::kBool},
                      {"author", FieldType::kString},
                      {"tags", FieldType::kStringList}}};
}

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_FUZZED_COLLECTION_H_
