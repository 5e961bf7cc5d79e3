// SPDX-License-Identifier: Apache-2.0
//
// A Collection is a table of rows on the server of a vector database, as RemoteStore needs it. Chroma and Milvus each
// implement it; what they share (ids, files, commits, what is visible) lies in RemoteStore and not here.
//
// Threads: every method may be called concurrently. Errors: name the server, the operation and the collection;
// kUnavailable and kDeadlineExceeded after the retries that src/wire decides on. Put and Erase may be repeated: a row
// is known by its id, so that a retry after an answer that was lost makes no duplicate.
#ifndef RAGTIME_STORE_COLLECTION_H_
#define RAGTIME_STORE_COLLECTION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/field.h"
#include "ragtime/filter.h"
#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

// What a collection is made with; fixed from then on.
struct CollectionSpec {
  std::string name;      // Letters, digits and '_', at most 63 bytes.
  size_t dimension = 0;  // At least 1.
  Metric metric = Metric::kCosine;
  std::string index_type = "FLAT";                   // As the server spells it.
  std::map<std::string, std::string> index_params;   // M, efConstruction, nlist ...: of the building of the index.
  std::map<std::string, std::string> search_params;  // ef, nprobe ...: of each search.
  std::vector<FieldSpec> columns;                    // What a filter may name.
};

struct CollectionRow {
  int64_t id = 0;             // Positive.
  std::vector<float> vector;  // Empty where it was not asked for.
  std::string text;
  Fields columns;       // Values of spec.columns; one that is null has no entry.
  std::string payload;  // Opaque UTF-8, given back as it was put.
};

struct CollectionHit {
  int64_t id = 0;
  float score = 0;  // As VectorIndex::Search defines it; higher is better.
};

class Collection {
 public:
  virtual ~Collection() = default;
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  virtual const CollectionSpec& spec() const = 0;
  // Puts rows in, or in the place of those of the same ids; splits them into requests of a size that the server takes.
  // When it returns, every later call sees all of them. On failure any part of them may be there.
  virtual Status Put(const Context& context, std::span<const CollectionRow> rows) = 0;
  // Unknown ids are no error.
  virtual Status Erase(const Context& context, std::span<const int64_t> ids) = 0;
  // The rows of those ids that exist, in any order.
  virtual Result<std::vector<CollectionRow>> Get(const Context& context, std::span<const int64_t> ids,
                                                 bool with_vectors) const = 0;
  // At most `limit` matching rows with ids above `after_id`, by ascending id. The filter names spec().columns only.
  virtual Result<std::vector<CollectionRow>> Scan(const Context& context, const Filter& filter, int64_t after_id,
                                                  size_t limit, bool with_vectors) const = 0;
  virtual Result<uint64_t> Count(const Context& context, const Filter& filter) const = 0;
  // At most `limit` matching rows, best first.
  virtual Result<std::vector<CollectionHit>> SearchVector(const Context& context, std::span<const float> query,
                                                          size_t limit, const Filter& filter) const = 0;
  // Whether a filter can be answered by the server; where not, RemoteStore goes through rows itself.
  virtual bool Translates(const Filter& filter) const = 0;

 protected:
  Collection() = default;
};

class CollectionServer {
 public:
  virtual ~CollectionServer() = default;
  CollectionServer(const CollectionServer&) = delete;
  CollectionServer& operator=(const CollectionServer&) = delete;

  // "milvus http://127.0.0.1:19530": what messages name; without user, password and token.
  virtual std::string_view name() const = 0;
  // What the server says its version is, "2.6.1".
  virtual Result<std::string> Version(const Context& context) = 0;
  virtual Result<bool> Exists(const Context& context, std::string_view collection) = 0;
  // Opens it, and makes it first where there is none. kFailedPrecondition where it is there and made otherwise, with
  // what differs.
  virtual Result<std::shared_ptr<Collection>> OpenOrMake(const Context& context, const CollectionSpec& spec) = 0;
  // Unknown ones are no error.
  virtual Status Drop(const Context& context, std::string_view collection) = 0;

 protected:
  CollectionServer() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_COLLECTION_H_
