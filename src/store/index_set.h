// SPDX-License-Identifier: Apache-2.0
//
// IndexSet is the types of index that a store builds over its segments, handed in by who opens it.
#ifndef RAGTIME_STORE_INDEX_SET_H_
#define RAGTIME_STORE_INDEX_SET_H_

#include <memory>

#include "ragtime/index.h"

namespace ragtime {

struct IndexSet {
  std::shared_ptr<const VectorIndexType> vector;
  std::shared_ptr<const KeywordIndexType> keyword;
  std::shared_ptr<const FieldColumnsType> fields;  // Null: documents have no fields.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_INDEX_SET_H_
