// SPDX-License-Identifier: Apache-2.0
//
// COLUMNS: the fields of a segment's items, one column for each field, with its index, read in place.
//
// A kSkiplist is stored as a kBtree, since nothing changes any more, and fields() says so; the index of a bool is its
// bits. docs/formats/columns.md has the bytes.
//
// Threads: as include/ragtime/index.h says. Errors: kDataLoss where a look-up meets damaged bytes; nothing is read
// outside of them.
#ifndef RAGTIME_INDEX_SCALAR_COLUMNS_H_
#define RAGTIME_INDEX_SCALAR_COLUMNS_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class ColumnsType final : public FieldColumnsType {
 public:
  ColumnsType() = default;

  std::string_view name() const override { return "COLUMNS"; }
  uint32_t version() const override;
  Result<std::vector<std::byte>> Build(std::span<const FieldSpec> fields,
                                       std::span<const Fields* const> items) const override;
  Result<std::unique_ptr<FieldColumns>> Open(std::span<const std::byte> bytes) const override;
  std::unique_ptr<MutableFieldColumns> MakeMutable(std::span<const FieldSpec> fields) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMNS_H_
