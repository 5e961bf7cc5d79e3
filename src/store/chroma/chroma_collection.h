// SPDX-License-Identifier: Apache-2.0
//
// ChromaCollection is a Collection on a Chroma server: a row is a record whose id is the decimal number, and whose
// metadata holds the columns, the number again (for ranges), the payload and the text; a long text is its document.
//
// Threads: as Collection. Ownership: keeps its server.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_COLLECTION_H_
#define RAGTIME_STORE_CHROMA_CHROMA_COLLECTION_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/chroma/chroma_server.h"
#include "store/collection.h"
#include "wire/json.h"

namespace ragtime {

class ChromaCollection final : public Collection {
 public:
  ChromaCollection(std::shared_ptr<const ChromaServer> server, CollectionSpec spec, std::string id)
      : server_(std::move(server)), spec_(std::move(spec)), path_("/collections/" + id) {}

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
  Result<Json> Call(const Context& context, std::string_view operation, const Json& body) const;
  // At most `limit` ids that match, in no order.
  Result<std::vector<int64_t>> FindIds(const Context& context, const Json& where, size_t offset, size_t limit) const;
  Result<Json> WhereOf(const Filter& filter) const;
  // A request of rows from `i` on, which is moved behind the last of them.
  Json UpsertOf(std::span<const CollectionRow> rows, size_t& i) const;
  // With the server, the operation and the collection in front.
  Status Named(const Status& status, std::string_view operation) const;

  const std::shared_ptr<const ChromaServer> server_;
  const CollectionSpec spec_;
  const std::string path_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_COLLECTION_H_
