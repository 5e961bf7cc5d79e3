// SPDX-License-Identifier: Apache-2.0
#include "index_targets.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/bm25_index.h"
#include "index/diskann/diskann_format.h"
#include "index/diskann/diskann_index.h"
#include "index/flat/flat_format.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/fast_hnsw_index.h"
#include "index/hnsw/hnsw_format.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_format.h"
#include "index/ivf/ivf_index.h"
#include "index/scalar/columns.h"
#include "index/scalar/columns_format.h"
#include "ragtime/filter.h"
#include "require.h"
#include "text/token_table.h"
#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kRows = 300;
constexpr size_t kDimension = 20;

VectorMatrix Vectors() {
  static const std::vector<float> data = [] {
    std::vector<float> values(kRows * kDimension);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 2654435761u % 1000) / 1000 - 0.4f;
    return values;
  }();
  return {data.data(), kRows, kDimension};
}

// As many as codes of 4 bits can be learnt from.
constexpr size_t kIvfRows = 640;
constexpr IvfKind kIvfKinds[] = {IvfKind::kIvfFlat, IvfKind::kIvfSq8, IvfKind::kIvfPq, IvfKind::kPq};

VectorMatrix IvfVectors() {
  static const std::vector<float> data = [] {
    std::vector<float> values(kIvfRows * 6);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 2654435761u % 1000) / 1000 - 0.4f;
    return values;
  }();
  return {data.data(), kIvfRows, 6};
}

// Indexes must be aligned, and the sanitizer should see the first byte behind them: a copy of just that size. The
// header's hash is set right, since it would otherwise keep every mutation out.
template <typename Header, typename Hash>
std::vector<std::byte> WithRightHash(std::span<const std::byte> bytes, Hash hash) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (copy.size() < sizeof(Header)) return copy;
  Header header;
  std::memcpy(&header, copy.data(), sizeof(header));
  header.header_hash = hash(header);
  std::memcpy(copy.data(), &header, sizeof(header));
  return copy;
}

void RequireOrdered(const std::vector<RowHit>& hits, size_t limit, uint64_t rows) {
  Require(hits.size() <= limit);
  for (const RowHit& hit : hits) Require(hit.row < rows);
}

constexpr FieldType kTypes[] = {FieldType::kInt,    FieldType::kFloat,    FieldType::kBool,
                                FieldType::kString, FieldType::kDatetime, FieldType::kStringList};
constexpr FieldIndex kIndexes[] = {FieldIndex::kNone, FieldIndex::kBtree, FieldIndex::kHash, FieldIndex::kBitmap};

std::vector<FieldSpec> FieldsOfAllTypes() {
  std::vector<FieldSpec> fields;
  for (const FieldType type : kTypes) fields.push_back({std::string(FieldTypeName(type)), type, FieldIndex::kBtree});
  return fields;
}

// A value that ColumnsSeed has, or nearly.
FieldValue ValueOf(FieldType type, int64_t n) {
  switch (type) {
    case FieldType::kInt:
      return n;
    case FieldType::kFloat:
      return static_cast<double>(n) / 2;
    case FieldType::kBool:
      return n % 2 == 0;
    case FieldType::kString:
      return std::string(static_cast<size_t>(n % 7), static_cast<char>('a' + n % 3));
    case FieldType::kDatetime:
      return Datetime{n * 1000};
    case FieldType::kStringList:
      break;
  }
  return std::vector<std::string>(static_cast<size_t>(n % 3), std::string(1, static_cast<char>('a' + n % 5)));
}

std::vector<FilterNode> LeavesOn(const FieldSpec& field) {
  std::vector<FilterNode> leaves;
  for (const FilterOp op : {FilterOp::kEqual, FilterOp::kLess, FilterOp::kGreaterEqual, FilterOp::kIn, FilterOp::kLike,
                            FilterOp::kContains, FilterOp::kIsNull}) {
    FilterNode leaf;
    leaf.op = op;
    leaf.field = field.name;
    leaf.type = field.type;
    const bool text = field.type == FieldType::kStringList || op == FilterOp::kLike;
    const FieldType type = text ? FieldType::kString : field.type;
    if (op != FilterOp::kIsNull) leaf.values = {ValueOf(type, 3)};
    if (op == FilterOp::kIn) leaf.values = {ValueOf(type, 3), ValueOf(type, 8), ValueOf(type, 11)};
    if (op == FilterOp::kLike) leaf.values = {std::string("a%_")};
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

template <typename T>
void RequireAnswer(const Result<T>& result) {
  Require(result.ok() || result.status().code() == StatusCode::kDataLoss);
}

// The set is one of items, and its count is right, however damaged the bytes are.
void RequireSet(const Result<ItemSet>& set, uint32_t items) {
  RequireAnswer(set);
  if (!set.ok()) return;
  Require(set->words.size() == (uint64_t{items} + 63) / 64);
  uint64_t count = 0;
  for (const uint64_t word : set->words) count += static_cast<uint64_t>(std::popcount(word));
  Require(count == set->count);
  Require(items % 64 == 0 || set->words.back() >> (items % 64) == 0);
}

void UseField(const FieldColumns& columns, const FieldSpec& field) {
  for (const FilterNode& leaf : LeavesOn(field)) RequireSet(columns.Match(leaf), columns.items());
  for (const uint32_t item : {0u, 5u, 150u}) {
    if (item < columns.items()) RequireAnswer(columns.Value(field.name, item));
  }
  const std::vector<uint64_t> among(5, 0x5555);
  for (const size_t limit : {size_t{3}, SIZE_MAX}) {
    const auto order = columns.Ordered(field.name, limit == 3, RowBitmap{among}, limit);
    RequireAnswer(order);
    if (!order.ok()) continue;
    Require(order->size() <= limit);
    for (const uint32_t item : *order) Require(item < columns.items() && RowBitmap{among}.Contains(item));
  }
}

}  // namespace

bool UseAsFlatIndex(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<FlatHeader>(bytes, [](const FlatHeader& header) {
    return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FlatHeader, header_hash)));
  });
  bool opened = false;
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    auto index = FlatIndexType().Open(copy, Vectors(), metric);
    if (!index.ok()) continue;
    opened = true;
    for (const size_t limit : {size_t{1}, size_t{10}, size_t{1000}}) {
      auto hits = (*index)->Search({}, Vectors().row(7), limit, {});
      Require(hits.ok());
      RequireOrdered(*hits, limit, kRows);
    }
  }
  return opened;
}

// Of HNSW, HNSW_FAST and DISKANN.
template <typename Header, typename IndexType>
bool UseAsGraphIndex(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<Header>(bytes, [](const Header& header) {
    return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_hash)));
  });
  bool opened = false;
  const uint64_t excluded[] = {0x5555};
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    auto index = IndexType().Open(copy, Vectors(), metric);
    if (!index.ok()) continue;
    opened = true;
    for (const RowBitmap bitmap : {RowBitmap{}, RowBitmap{excluded}}) {
      for (const size_t limit : {size_t{1}, size_t{3}, SIZE_MAX}) {
        // With so few kept the graph is walked, not scanned.
        const auto hits = (*index)->Search({}, Vectors().row(7), limit, bitmap, {.ef = 1});
        Require(hits.ok() || hits.status().code() == StatusCode::kDataLoss);
        if (hits.ok()) RequireOrdered(*hits, limit, kRows);
      }
    }
  }
  return opened;
}

bool UseAsHnswIndex(std::span<const std::byte> bytes) { return UseAsGraphIndex<HnswHeader, HnswIndexType>(bytes); }

bool UseAsFastHnswIndex(std::span<const std::byte> bytes) {
  return UseAsGraphIndex<FastHnswHeader, FastHnswIndexType>(bytes);
}

bool UseAsDiskannIndex(std::span<const std::byte> bytes) {
  return UseAsGraphIndex<DiskannHeader, DiskannIndexType>(bytes);
}

bool UseAsIvfIndex(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<IvfHeader>(bytes, [](const IvfHeader& header) {
    return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(IvfHeader, header_hash)));
  });
  bool opened = false;
  const uint64_t excluded[] = {0x5555};
  for (const IvfKind kind : kIvfKinds) {
    for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
      auto index = IvfIndexType(kind).Open(copy, IvfVectors(), metric);
      if (!index.ok()) continue;
      opened = true;
      for (const RowBitmap bitmap : {RowBitmap{}, RowBitmap{excluded}}) {
        for (const size_t limit : {size_t{1}, size_t{3}, SIZE_MAX}) {
          // With so few looked at not all rows are scanned.
          const auto hits = (*index)->Search({}, IvfVectors().row(7), limit, bitmap, {.nprobe = 2, .refine_k = 2});
          Require(hits.ok() || hits.status().code() == StatusCode::kDataLoss);
          if (hits.ok()) RequireOrdered(*hits, limit, kIvfRows);
        }
      }
    }
  }
  return opened;
}

bool UseAsBm25Index(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<Bm25Header>(bytes, Bm25HeaderHash);
  auto index = Bm25IndexType().Open(copy);
  if (!index.ok()) return false;
  Bm25Header header;
  std::memcpy(&header, copy.data(), sizeof(header));
  const uint64_t excluded[] = {0x5555};
  std::vector<WeightedTerm> terms;
  for (const char* term : {"a", "b", "abc", "the", "zz", ""}) {
    const auto count = (*index)->CountRows(term, RowBitmap{excluded});
    Require(count.ok() || count.status().code() == StatusCode::kDataLoss);
    terms.push_back({term, 1, count.ok() ? *count : 0});
  }
  const auto hits = (*index)->Search({}, terms, {header.rows, header.tokens}, 10, RowBitmap{excluded});
  Require(hits.ok() || hits.status().code() == StatusCode::kDataLoss);
  if (hits.ok()) RequireOrdered(*hits, 10, header.rows);
  const uint32_t rows[] = {3, 70, 250};
  const auto listed = (*index)->Search({}, terms, {header.rows, header.tokens}, 2, RowSelection({}, rows));
  Require(listed.ok() || listed.status().code() == StatusCode::kDataLoss);
  terms.push_back({"more", 0, 1});  // With a weight of 0 every row is scored.
  const auto all = (*index)->Search({}, terms, {header.rows, header.tokens}, 1000, {});
  Require(all.ok() || all.status().code() == StatusCode::kDataLoss);
  if (all.ok()) RequireOrdered(*all, 1000, header.rows);
  // Without a part of the length in it, a damaged count of 0 is divided by 0.
  const auto without_length = *Bm25IndexType({0, 1}).Open(copy);
  terms.pop_back();
  const auto flat = without_length->Search({}, terms, {header.rows, header.tokens}, 10, {});
  Require(flat.ok() || flat.status().code() == StatusCode::kDataLoss);
  for (const uint32_t row : {0u, 100u, UINT32_MAX}) Require((*index)->Length(row).ok() == (row < header.rows));
  return true;
}

bool UseAsColumns(std::span<const std::byte> bytes) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  ColumnsHeader header;
  if (copy.size() >= sizeof(header)) {
    std::memcpy(&header, copy.data(), sizeof(header));
    const uint64_t head = uint64_t{header.fields} * sizeof(ColumnEntry) + header.names_size % (uint64_t{1} << 40);
    if (head <= copy.size() - sizeof(header)) {
      header.directory_hash = Hash64(std::span<const std::byte>(copy).subspan(sizeof(header), head));
    }
    header.size = copy.size();
    header.header_hash = ColumnsHeaderHash(header);
    std::memcpy(copy.data(), &header, sizeof(header));
  }
  const auto columns = ColumnsType().Open(copy);
  // With no bytes for them, items cost memory and time only.
  if (!columns.ok() || (*columns)->items() > 100'000) return columns.ok();
  for (const FieldSpec& field : (*columns)->fields()) UseField(**columns, field);
  UseField(**columns, {"no such field", FieldType::kInt, FieldIndex::kNone});
  return true;
}

bool UseAsFilter(std::string_view text) {
  const std::vector<FieldSpec> fields = FieldsOfAllTypes();
  const auto filter = Filter::Parse(text, fields);
  if (!filter.ok()) {
    Require(filter.status().code() == StatusCode::kInvalidArgument);
    return false;
  }
  const std::string canonical = filter->ToString();
  const auto again = Filter::Parse(canonical, fields);
  // A canonical text may be longer than what a filter may have.
  if (!again.ok()) {
    Require(canonical.size() > 64 * 1024);
    return true;
  }
  Require(again->ToString() == canonical);
  for (const int64_t n : {0, 3, 8}) {
    std::vector<FieldValue> values;
    for (const FieldSpec& field : fields) values.push_back(n == 0 ? FieldValue() : ValueOf(field.type, n));
    const auto value_of = [&](std::string_view name) -> const FieldValue& {
      for (size_t f = 0; f < fields.size(); ++f) {
        if (fields[f].name == name) return values[f];
      }
      std::abort();
    };
    Require(filter->Matches(value_of) == again->Matches(value_of));
  }
  return true;
}

void UseAsText(std::string_view text) {
  const std::vector<std::string> words = SplitWords(text);
  for (const std::string& word : words) {
    Require(!word.empty() && word.size() <= kWordSizeMax && FindInvalidUtf8(word) == std::string_view::npos);
  }
  // A question that quotes a text finds it.
  for (const std::string& word : QueryWords(text)) Require(std::find(words.begin(), words.end(), word) != words.end());
}

std::vector<std::byte> FlatSeed() { return *FlatIndexType().Build({}, Vectors(), Metric::kCosine); }

std::vector<std::vector<std::byte>> HnswSeeds() {
  std::vector<std::vector<std::byte>> seeds;
  for (const uint32_t bits : {8u, 4u}) {
    seeds.push_back(*HnswIndexType({.m = 4, .ef_construction = 16}, bits).Build({}, Vectors(), Metric::kCosine));
  }
  return seeds;
}

std::vector<std::byte> FastHnswSeed() {
  return *FastHnswIndexType({.m = 4, .ef_construction = 16}).Build({}, Vectors(), Metric::kCosine);
}

std::vector<std::vector<std::byte>> IvfSeeds() {
  std::vector<std::vector<std::byte>> seeds;
  const IvfParameters parameters{.nlist = 5, .m = 3, .nbits = 4, .threads = 1};
  for (const IvfKind kind : kIvfKinds) {
    const Metric metric = kind == IvfKind::kIvfPq ? Metric::kL2 : Metric::kCosine;
    seeds.push_back(*IvfIndexType(kind, parameters).Build({}, IvfVectors(), metric));
  }
  return seeds;
}

std::vector<std::byte> DiskannSeed() {
  return *DiskannIndexType({.m = 4, .ef_construction = 16}).Build({}, Vectors(), Metric::kCosine);
}

std::vector<std::byte> ColumnsSeed() {
  std::vector<FieldSpec> fields;
  for (const FieldType type : kTypes) {
    for (const FieldIndex index : kIndexes) {
      fields.push_back({std::string(FieldTypeName(type)) + std::string(FieldIndexName(index)), type, index});
    }
  }
  std::vector<Fields> items(200);
  std::vector<const Fields*> pointers;
  for (size_t i = 0; i < items.size(); ++i) {
    for (const FieldSpec& field : fields) {
      if ((i + field.name.size()) % 5 != 0)
        items[i][field.name] = ValueOf(field.type, static_cast<int64_t>(i * i % 23));
    }
    pointers.push_back(&items[i]);
  }
  return *ColumnsType().Build(fields, pointers);
}

std::vector<std::byte> Bm25Seed() {
  std::vector<std::vector<std::string>> rows(300);
  const char* words[] = {"a", "b", "abc", "the", "zz", "more", "x", "y"};
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < r % 9; ++i) rows[r].push_back(words[(r * 7 + i * i) % std::size(words)]);
  }
  return *Bm25IndexType().Build(TokenTable(rows).rows());
}

}  // namespace ragtime
