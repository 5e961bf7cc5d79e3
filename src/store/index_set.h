// SPDX-License-Identifier: Apache-2.0
//
// IndexSet is the types of index that a store builds over its segments, and what cuts their texts into words, handed in
// by who opens it.
#ifndef RAGTIME_STORE_INDEX_SET_H_
#define RAGTIME_STORE_INDEX_SET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/index.h"
#include "text/chinese_dictionary.h"

namespace ragtime {

struct IndexSet {
  std::shared_ptr<const VectorIndexType> vector;
  std::shared_ptr<const KeywordIndexType> keyword;
  std::shared_ptr<const FieldColumnsType> fields;  // Null: documents have no fields.
  // Finds the words of Chinese for `keyword`. Null: characters and pairs.
  std::shared_ptr<const ChineseDictionary> chinese = nullptr;
  // Built instead of `vector` from large_rows rows on. Null: never.
  std::shared_ptr<const VectorIndexType> large_vector;
  uint64_t large_rows = 0;
  // In place of these three, for the vectors of a key of NewNode::named.
  struct OfKey {
    std::shared_ptr<const VectorIndexType> vector;
    std::shared_ptr<const VectorIndexType> large_vector;
    uint64_t large_rows = 0;
  };
  std::map<std::string, OfKey> of_key = {};
  // Not built, but read where a segment has one.
  std::vector<std::shared_ptr<const VectorIndexType>> readable_vectors;

  const VectorIndexType& VectorFor(uint64_t rows) const {
    return large_vector != nullptr && rows >= large_rows ? *large_vector : *vector;
  }
  const VectorIndexType& VectorFor(const std::string& key, uint64_t rows) const {
    const auto found = of_key.find(key);
    if (found == of_key.end()) return VectorFor(rows);
    const OfKey& own = found->second;
    return own.large_vector != nullptr && rows >= own.large_rows ? *own.large_vector : *own.vector;
  }
  // Null if there is none. Of two types of one name, that of the key.
  const VectorIndexType* FindVector(const std::string& key, std::string_view name) const {
    const auto own = of_key.find(key);
    if (own == of_key.end()) return FindVector(name);
    if (own->second.vector->name() == name) return own->second.vector.get();
    const bool large = own->second.large_vector != nullptr && own->second.large_vector->name() == name;
    return large ? own->second.large_vector.get() : FindVector(name);
  }
  const VectorIndexType* FindVector(std::string_view name) const {
    if (vector->name() == name) return vector.get();
    if (large_vector != nullptr && large_vector->name() == name) return large_vector.get();
    for (const auto& type : readable_vectors) {
      if (type->name() == name) return type.get();
    }
    return nullptr;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_INDEX_SET_H_
