// SPDX-License-Identifier: Apache-2.0
//
// CacheNamespace is a part of a cache that nobody else's keys reach: of a knowledge base at one generation under one
// configuration, of a conversation's owner, of an embedding model.
//
// A key is "ragtime:{owner}:scope:kind:hash of the identity". The owner (the knowledge base's uuid) stands in braces,
// so that a cluster keeps what belongs together on one node. The identity itself stands in the value and is compared:
// two identities of one hash are a miss. A write raises the generation, which is part of the scope, so that nothing of
// before it can be reached any more; it ends by its time, or is evicted.
//
// Threads: immutable; may be shared. Errors: none; what cannot be read is a miss, what cannot be kept is not.
#ifndef RAGTIME_CACHE_CACHE_NAMESPACE_H_
#define RAGTIME_CACHE_CACHE_NAMESPACE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/cache.h"

namespace ragtime {

class CacheNamespace {
 public:
  // A null cache: nothing is found, nothing is kept.
  CacheNamespace(std::shared_ptr<Cache> cache, std::string_view owner, std::string_view scope, int64_t ttl_s);

  std::string Key(std::string_view kind, std::string_view identity) const;
  std::optional<std::string> Find(const Context& context, std::string_view kind, std::string_view identity) const;
  void Keep(const Context& context, std::string_view kind, std::string_view identity, std::string_view value) const;
  void Drop(const Context& context, std::string_view kind, std::string_view identity) const;

  // One element for each identity, in the order asked.
  std::vector<std::optional<std::string>> FindMany(const Context& context, std::string_view kind,
                                                   std::span<const std::string> identities) const;
  void KeepMany(const Context& context, std::string_view kind, std::span<const std::string> identities,
                std::span<const std::string> values) const;

 private:
  std::shared_ptr<Cache> cache_;
  std::string prefix_;
  int64_t ttl_s_;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_CACHE_NAMESPACE_H_
