// SPDX-License-Identifier: Apache-2.0
//
// MilvusLiteFile reads a collection out of a file that Milvus Lite 2.x has made: the SQLite database that pymilvus,
// LangChain, LlamaIndex and LazyLLM of those years keep at a path. No server is needed; Milvus Lite 3.x opens none.
//
// Threads and errors: as CollectionReader.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_LITE_FILE_H_
#define RAGTIME_STORE_MILVUS_MILVUS_LITE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog/connection.h"
#include "store/collection_reader.h"
#include "store/milvus/milvus_columns.h"

namespace ragtime {

class MilvusLiteFile final : public CollectionReader {
 public:
  static Result<std::unique_ptr<CollectionReader>> Open(const std::filesystem::path& file,
                                                        const ForeignCollection& collection);
  Result<std::vector<ForeignRow>> Next(const Context& context, size_t limit) override;

 private:
  MilvusLiteFile(std::unique_ptr<Connection> connection, std::string select)
      : connection_(std::move(connection)), select_(std::move(select)) {}

  const std::unique_ptr<Connection> connection_;
  const std::string select_;  // Rows behind a number, by number.
  MilvusLayout layout_;
  int64_t last_ = INT64_MIN;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_LITE_FILE_H_
