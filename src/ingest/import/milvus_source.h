// SPDX-License-Identifier: Apache-2.0
//
// MilvusSource takes the rows of a collection of Milvus, of any schema, as nodes: every column is metadata.
#ifndef RAGTIME_INGEST_IMPORT_MILVUS_SOURCE_H_
#define RAGTIME_INGEST_IMPORT_MILVUS_SOURCE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ingest/import/collection_address.h"
#include "ingest/import/import_source.h"
#include "store/collection_reader.h"

namespace ragtime {

// http://host:port/COLLECTION[?db_name=D], or PATH/COLLECTION of Milvus Lite.
Result<CollectionAddress> ParseMilvusAddress(std::string_view uri);

class MilvusSource : public ImportSource {
 public:
  // `id_column` is what a node is called by; "": its primary key.
  explicit MilvusSource(std::unique_ptr<CollectionReader> reader, std::string id_column = "")
      : reader_(std::move(reader)), id_column_(std::move(id_column)) {}
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override;

 private:
  const std::unique_ptr<CollectionReader> reader_;
  const std::string id_column_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_MILVUS_SOURCE_H_
