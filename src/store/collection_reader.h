// SPDX-License-Identifier: Apache-2.0
//
// A CollectionReader reads all rows of a collection that another program has made on a server or in a file, whatever
// its columns are.
//
// Threads: one at a time. Errors: those of Collection; kInvalidArgument where the collection has no column of vectors,
// or several of them and none was named.
#ifndef RAGTIME_STORE_COLLECTION_READER_H_
#define RAGTIME_STORE_COLLECTION_READER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

struct ForeignCollection {
  std::string name;
  std::string vector;  // The column of vectors; "": the only one.
};

struct ForeignRow {
  std::string id;             // Its primary key.
  std::vector<float> vector;  // Empty where it is null.
  Json columns;               // An object: every other column that is not null, the key among them.
};

class CollectionReader {
 public:
  virtual ~CollectionReader() = default;
  CollectionReader(const CollectionReader&) = delete;
  CollectionReader& operator=(const CollectionReader&) = delete;

  // At most `limit` further rows; none at the end.
  virtual Result<std::vector<ForeignRow>> Next(const Context& context, size_t limit) = 0;

 protected:
  CollectionReader() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_COLLECTION_READER_H_
