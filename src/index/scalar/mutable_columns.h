// SPDX-License-Identifier: Apache-2.0
//
// MutableColumns are columns in memory whose items come and go: the fields of the map store.
//
// Each field is found as its FieldSpec names: skiplist and btree by a skip list, hash by a hash table, bitmap by
// roaring bitmaps, none by a scan. An item that was never put, or was erased, is null everywhere.
//
// Threads: one writer, and no readers while it writes; any number of readers else.
// Errors: kInvalidArgument for a value of another type than its field's.
#ifndef RAGTIME_INDEX_SCALAR_MUTABLE_COLUMNS_H_
#define RAGTIME_INDEX_SCALAR_MUTABLE_COLUMNS_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "index/scalar/value_index.h"
#include "ragtime/index.h"

namespace ragtime {

class MutableColumns final : public MutableFieldColumns {
 public:
  explicit MutableColumns(std::vector<FieldSpec> fields);

  // Replaces what the item had. Fields that are not declared are passed over. Nothing changes where it fails.
  Status Put(uint32_t item, const Fields& fields) override;
  void Erase(uint32_t item) override;

  // One more than the largest item ever put.
  uint32_t items() const override { return items_end_; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }
  Result<ItemSet> Match(const FilterNode& leaf) const override;
  Result<FieldValue> Value(std::string_view field, uint32_t item) const override;
  Result<std::vector<uint32_t>> Ordered(std::string_view field, bool descending, RowBitmap among,
                                        size_t limit) const override;

 private:
  struct Column {
    FieldType type = FieldType::kString;
    std::vector<FieldValue> values;  // By item; shorter than items() where the rest is null.
    std::vector<uint64_t> present;   // A bit for each value that is not null.
    std::unique_ptr<ValueIndex> index;

    bool IsNull(uint32_t item) const {
      return item / 64 >= present.size() || (present[item / 64] >> item % 64 & 1) == 0;
    }
    void Set(uint32_t item, const FieldValue& value);
    void Clear(uint32_t item);
    // False: the index is of no use for the leaf.
    bool MatchByIndex(const FilterNode& leaf, ItemBits& bits) const;
    bool MatchRange(const FilterNode& leaf, ItemBits& bits) const;
    std::vector<uint32_t> Select(bool descending, RowBitmap among, uint32_t items, size_t limit) const;
  };

  const Column* Find(std::string_view field) const;

  const std::vector<FieldSpec> fields_;
  std::vector<Column> columns_;  // As fields_.
  uint32_t items_end_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_MUTABLE_COLUMNS_H_
