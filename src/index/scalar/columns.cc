// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/columns.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/str_cat.h"
#include "index/scalar/column_match.h"
#include "index/scalar/column_view.h"
#include "index/scalar/columns_format.h"
#include "index/scalar/mutable_columns.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "Restore the knowledge base from a backup, or ingest the documents into a new one.";

class Columns final : public FieldColumns {
 public:
  Columns(uint32_t items, std::vector<ColumnView> columns) : items_(items), columns_(std::move(columns)) {
    for (const ColumnView& column : columns_) fields_.push_back(column.spec());
  }

  uint32_t items() const override { return items_; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  Result<ItemSet> Match(const FilterNode& leaf) const override {
    if (const ColumnView* column = Find(leaf.field)) return MatchColumn(*column, leaf);
    ItemBits bits(items_);
    if (leaf.op == FilterOp::kIsNull) std::fill(bits.words().begin(), bits.words().end(), UINT64_MAX);
    return std::move(bits).FinishWords();
  }

  Result<FieldValue> Value(std::string_view field, uint32_t item) const override {
    if (item >= items_) {
      return InvalidArgumentError(StrCat("the columns have no such item: ", item, ", items ", items_));
    }
    const ColumnView* column = Find(field);
    return column != nullptr ? column->Value(item) : FieldValue();
  }

  Result<std::vector<uint32_t>> Ordered(std::string_view field, bool descending, RowBitmap among,
                                        size_t limit) const override {
    if (const ColumnView* column = Find(field)) return OrderColumn(*column, descending, among, limit);
    return TakeAscending(among, items_, limit, [](uint32_t) { return true; });
  }

 private:
  const ColumnView* Find(std::string_view field) const {
    for (const ColumnView& column : columns_) {
      if (column.spec().name == field) return &column;
    }
    return nullptr;
  }

  const uint32_t items_;
  const std::vector<ColumnView> columns_;
  std::vector<FieldSpec> fields_;
};

Status Damaged(std::string_view what) { return DataLossError(StrCat("the columns are damaged: ", what), kRemedy); }

Result<ColumnsHeader> ReadHeader(std::span<const std::byte> bytes) {
  ColumnsHeader header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the columns are truncated: ", bytes.size(), " bytes"), kRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kColumnsMagic), std::end(kColumnsMagic), header.magic)) {
    return DataLossError("the bytes are no columns", kRemedy);
  }
  if (header.version > kColumnsVersion) {
    return FailedPreconditionError(
        StrCat("the columns were written by a newer version: format ", header.version, ", known ", kColumnsVersion),
        "Use a newer ragtime.");
  }
  if (header.version != kColumnsVersion || header.header_hash != ColumnsHeaderHash(header) ||
      header.items > UINT32_MAX) {
    return Damaged("header");
  }
  if (header.size != bytes.size()) {
    return DataLossError(StrCat("the columns have a wrong size: ", bytes.size(), " bytes, expected ", header.size),
                         kRemedy);
  }
  const uint64_t room = bytes.size() - sizeof(header);
  const uint64_t directory_size = uint64_t{header.fields} * sizeof(ColumnEntry);
  if (directory_size > room || header.names_size > room - directory_size ||
      header.directory_hash != Hash64(bytes.subspan(sizeof(header), directory_size + header.names_size))) {
    return Damaged("directory");
  }
  return header;
}

bool IsValid(const ColumnEntry& entry, const ColumnsHeader& header) {
  if (entry.type > static_cast<uint8_t>(FieldType::kStringList) ||
      entry.index > static_cast<uint8_t>(FieldIndex::kBitmap) ||
      entry.index == static_cast<uint8_t>(FieldIndex::kSkiplist)) {
    return false;
  }
  // The sizes of 64 bits first, so that no sum overflows.
  return entry.start % 64 == 0 && entry.start <= header.size && entry.strings_size <= header.size &&
         entry.bitmaps_size <= header.size && uint64_t{entry.name} + entry.name_size <= header.names_size &&
         (entry.slots == 0 || std::has_single_bit(entry.slots)) &&
         ColumnLayout::Of(entry, header.items).end <= header.size;
}

}  // namespace

uint32_t ColumnsType::version() const { return kColumnsVersion; }

Result<std::unique_ptr<FieldColumns>> ColumnsType::Open(std::span<const std::byte> bytes) const {
  RAGTIME_ASSIGN_OR_RETURN(const ColumnsHeader header, ReadHeader(bytes));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
    return InvalidArgumentError("the bytes of columns must be aligned");
  }
  const std::string_view names(
      reinterpret_cast<const char*>(bytes.data() + sizeof(header) + header.fields * sizeof(ColumnEntry)),
      header.names_size);
  std::vector<ColumnView> columns;
  columns.reserve(header.fields);
  for (uint32_t f = 0; f < header.fields; ++f) {
    ColumnEntry entry;
    std::memcpy(&entry, bytes.data() + sizeof(header) + f * sizeof(ColumnEntry), sizeof(entry));
    if (!IsValid(entry, header)) return Damaged("directory");
    columns.emplace_back(bytes, entry, static_cast<uint32_t>(header.items),
                         std::string(names.substr(entry.name, entry.name_size)));
  }
  return std::unique_ptr<FieldColumns>(
      std::make_unique<Columns>(static_cast<uint32_t>(header.items), std::move(columns)));
}

std::unique_ptr<MutableFieldColumns> ColumnsType::MakeMutable(std::span<const FieldSpec> fields) const {
  return std::make_unique<MutableColumns>(std::vector<FieldSpec>(fields.begin(), fields.end()));
}

}  // namespace ragtime
