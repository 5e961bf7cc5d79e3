// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_namespace.h"

#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "cache/record.h"

namespace ragtime {
namespace {

std::string WithIdentity(std::string_view identity, std::string_view value) {
  return RecordWriter().Text(identity).Text(value).Take();
}

std::optional<std::string> ValueOf(const std::optional<std::string>& kept, std::string_view identity) {
  if (!kept) return std::nullopt;
  RecordReader reader(*kept);
  const std::string_view its = reader.Text();
  const std::string_view value = reader.Text();
  if (!reader.complete() || its != identity) return std::nullopt;
  return std::string(value);
}

}  // namespace

CacheNamespace::CacheNamespace(std::shared_ptr<Cache> cache, std::string_view owner, std::string_view scope,
                               int64_t ttl_s)
    : cache_(std::move(cache)), prefix_(StrCat("ragtime:{", owner, "}:", scope, ":")), ttl_s_(ttl_s) {}

std::string CacheNamespace::Key(std::string_view kind, std::string_view identity) const {
  return StrCat(prefix_, kind, ":", HashHex(identity));
}

std::optional<std::string> CacheNamespace::Find(const Context& context, std::string_view kind,
                                                std::string_view identity) const {
  if (cache_ == nullptr) return std::nullopt;
  const Result<std::optional<std::string>> kept = cache_->Get(context, Key(kind, identity));
  return kept.ok() ? ValueOf(*kept, identity) : std::nullopt;
}

void CacheNamespace::Keep(const Context& context, std::string_view kind, std::string_view identity,
                          std::string_view value) const {
  if (cache_ != nullptr) (void)cache_->Put(context, Key(kind, identity), WithIdentity(identity, value), ttl_s_);
}

void CacheNamespace::Drop(const Context& context, std::string_view kind, std::string_view identity) const {
  if (cache_ != nullptr) (void)cache_->Erase(context, Key(kind, identity));
}

std::vector<std::optional<std::string>> CacheNamespace::FindMany(const Context& context, std::string_view kind,
                                                                 std::span<const std::string> identities) const {
  std::vector<std::optional<std::string>> values(identities.size());
  if (cache_ == nullptr) return values;
  std::vector<std::string> keys;
  for (const std::string& identity : identities) keys.push_back(Key(kind, identity));
  const Result<std::vector<std::optional<std::string>>> kept = cache_->GetMany(context, keys);
  if (!kept.ok() || kept->size() != identities.size()) return values;
  for (size_t i = 0; i < identities.size(); ++i) values[i] = ValueOf((*kept)[i], identities[i]);
  return values;
}

void CacheNamespace::KeepMany(const Context& context, std::string_view kind, std::span<const std::string> identities,
                              std::span<const std::string> values) const {
  if (cache_ == nullptr) return;
  std::vector<CacheEntry> entries;
  for (size_t i = 0; i < identities.size(); ++i) {
    entries.push_back({Key(kind, identities[i]), WithIdentity(identities[i], values[i])});
  }
  (void)cache_->PutMany(context, entries, ttl_s_);
}

}  // namespace ragtime
