// SPDX-License-Identifier: Apache-2.0
//
// A ValueIndex finds the items of a value in memory, while both change.
//
// Threads: one writer, and no readers while it writes; any number of readers else.
#ifndef RAGTIME_INDEX_SCALAR_VALUE_INDEX_H_
#define RAGTIME_INDEX_SCALAR_VALUE_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "index/scalar/item_bits.h"
#include "ragtime/field.h"

namespace ragtime {

// Without a bound the values go on to the end.
struct ValueRange {
  std::optional<FieldValue> low;
  std::optional<FieldValue> high;
  bool low_included = true;
  bool high_included = true;
};

class ValueIndex {
 public:
  virtual ~ValueIndex() = default;
  ValueIndex(const ValueIndex&) = delete;
  ValueIndex& operator=(const ValueIndex&) = delete;

  // All values of an index have one type. A pair is there once at most.
  virtual void Add(const FieldValue& value, uint32_t item) = 0;
  virtual void Remove(const FieldValue& value, uint32_t item) = 0;

  virtual void AddEqual(const FieldValue& value, ItemBits& bits) const = 0;
  // Adds the items of all values in the range for which `wanted` holds. False where a scan of all items is faster;
  // nothing is added then.
  virtual bool AddRange(const ValueRange& range, const std::function<bool(const FieldValue&)>& wanted,
                        ItemBits& bits) const = 0;
  // Visits items by ascending or descending value, equal values by ascending item, until `visit` answers false. False
  // where the index has no order.
  virtual bool Walk(bool descending, const std::function<bool(uint32_t)>& visit) const = 0;

 protected:
  ValueIndex() = default;
};

// Null for kNone.
std::unique_ptr<ValueIndex> MakeValueIndex(FieldIndex index);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_VALUE_INDEX_H_
