// SPDX-License-Identifier: Apache-2.0
//
// MilvusCollection is one collection of a Milvus server.
//
// Threads and errors: as Collection.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_COLLECTION_H_
#define RAGTIME_STORE_MILVUS_MILVUS_COLLECTION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/collection.h"

namespace google::protobuf {
class Message;
}

namespace ragtime {

class MilvusChannel;

// Has the server load it, if it has not: a collection is searched only when the server has it in memory.
Status LoadMilvusCollection(const Context& context, const MilvusChannel& channel, const std::string& collection);

class MilvusCollection final : public Collection {
 public:
  // `one_write_at_once`: the server's own collections do not bear more (Milvus Lite).
  MilvusCollection(std::shared_ptr<const MilvusChannel> channel, CollectionSpec spec, bool one_write_at_once)
      : channel_(std::move(channel)),
        spec_(std::move(spec)),
        what_("the collection " + spec_.name),
        one_write_at_once_(one_write_at_once) {}

  const CollectionSpec& spec() const override { return spec_; }
  Status Put(const Context& context, std::span<const CollectionRow> rows) override;
  Status Erase(const Context& context, std::span<const int64_t> ids) override;
  Result<std::vector<CollectionRow>> Get(const Context& context, std::span<const int64_t> ids,
                                         bool with_vectors) const override;
  Result<std::vector<CollectionRow>> Scan(const Context& context, const Filter& filter, int64_t after_id, size_t limit,
                                          bool with_vectors) const override;
  Result<uint64_t> Count(const Context& context, const Filter& filter) const override;
  Result<std::vector<CollectionHit>> SearchVector(const Context& context, std::span<const float> query, size_t limit,
                                                  const Filter& filter) const override;
  bool Translates(const Filter& filter) const override;

 private:
  Status Write(const Context& context, std::string_view method, const google::protobuf::Message& request);
  Result<std::string> ExpressionOf(const Filter& filter) const;
  Result<uint64_t> CountMatching(const Context& context, std::string expression) const;

  const std::shared_ptr<const MilvusChannel> channel_;
  const CollectionSpec spec_;
  const std::string what_;  // For messages.
  const bool one_write_at_once_;
  std::mutex write_mutex_;             // Held by a write if there may be one only.
  std::atomic<uint64_t> written_ = 0;  // The server's time of the last write.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_COLLECTION_H_
