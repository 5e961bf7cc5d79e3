// SPDX-License-Identifier: Apache-2.0
//
// IndexSet is the types of index that a store builds over its segments, and what cuts their texts into words, handed in
// by who opens it.
#ifndef RAGTIME_STORE_INDEX_SET_H_
#define RAGTIME_STORE_INDEX_SET_H_

#include <cstdint>
#include <memory>
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
  // Not built, but read where a segment has one.
  std::vector<std::shared_ptr<const VectorIndexType>> readable_vectors;

  const VectorIndexType& VectorFor(uint64_t rows) const {
    return large_vector != nullptr && rows >= large_rows ? *large_vector : *vector;
  }
  // Null if there is none.
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
