// SPDX-License-Identifier: Apache-2.0
//
// MilvusReader reads a collection of a Milvus server that another program has made, in the order of its primary key.
//
// Threads and errors: as CollectionReader.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_READER_H_
#define RAGTIME_STORE_MILVUS_MILVUS_READER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/collection_reader.h"
#include "store/milvus/milvus_columns.h"
#include "store/milvus/milvus_options.h"

namespace ragtime {

class LiteProcess;
class MilvusChannel;

class MilvusReader final : public CollectionReader {
 public:
  // A folder as uri starts Milvus Lite on it. The server loads the collection, if it has not, since it answers
  // questions about no other; it stays loaded.
  static Result<std::unique_ptr<CollectionReader>> Open(const Context& context, const MilvusOptions& options,
                                                        const ForeignCollection& collection);
  ~MilvusReader() override;
  Result<std::vector<ForeignRow>> Next(const Context& context, size_t limit) override;

 private:
  MilvusReader(std::unique_ptr<LiteProcess> lite, std::unique_ptr<const MilvusChannel> channel, std::string name);
  Result<std::string> Behind() const;  // The condition for rows that were not read yet.

  const std::unique_ptr<LiteProcess> lite_;  // Null where the server is not ours.
  const std::unique_ptr<const MilvusChannel> channel_;
  const std::string name_;
  MilvusLayout layout_;
  std::string last_;  // The greatest key read; "": none.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_READER_H_
