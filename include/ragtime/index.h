// SPDX-License-Identifier: Apache-2.0
//
// An Index finds rows: VectorIndex those whose vectors are nearest, KeywordIndex those that hold a query's words,
// FieldColumns those whose fields match a filter.
// A type of index builds its bytes once from all rows of a segment and opens them again without any per-row work, from
// a mapped file as well as from memory. An index knows rows (0, 1, 2 ... of its segment), never node ids or texts.
//
// Threads: types and open indexes are immutable; every method may be called concurrently.
// Errors: Open answers kDataLoss on bytes that it cannot have written, and never reads outside of them.
#ifndef RAGTIME_INDEX_H_
#define RAGTIME_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/field.h"
#include "ragtime/filter.h"
#include "ragtime/status.h"

namespace ragtime {

struct RowHit {
  uint32_t row = 0;
  float score = 0;  // Higher is better.
  friend bool operator==(const RowHit&, const RowHit&) = default;
};

// A set of rows as bits: row r is in the set if bit r % 64 of words[r / 64] is 1; rows past the end are not.
struct RowBitmap {
  std::span<const uint64_t> words;
  bool Contains(uint32_t row) const { return row / 64 < words.size() && (words[row / 64] >> (row % 64) & 1) != 0; }
};

// The rows that a search may answer with: those not in `excluded`. Where they are few, `listed` names every one of
// them, ascending, so that a search need look at no other row; an index may go by `excluded` alone.
struct RowSelection {
  RowSelection() = default;
  RowSelection(RowBitmap excluded_rows) : excluded(excluded_rows) {}
  RowSelection(RowBitmap excluded_rows, std::span<const uint32_t> listed_rows)
      : excluded(excluded_rows), listed(listed_rows) {}

  RowBitmap excluded;
  std::optional<std::span<const uint32_t>> listed;
  // Rows with a lower score are not wanted, since there are enough others; an index may return them all the same.
  float least_score = -std::numeric_limits<float>::infinity();
};

// n x dimension floats, row by row, not owned.
struct VectorMatrix {
  const float* data = nullptr;
  size_t rows = 0;
  size_t dimension = 0;
  std::span<const float> row(size_t r) const { return {data + r * dimension, dimension}; }
};

enum class Metric { kCosine, kInnerProduct, kL2 };

// What one search may spend where an index trades time for recall. 0: what the index type was made with.
struct VectorSearchParameters {
  uint32_t ef = 0;        // HNSW, DISKANN: how many of the nearest rows found so far are kept and followed.
  uint32_t nprobe = 0;    // IVF_*: how many lists, the nearest first, are looked into.
  uint32_t refine_k = 0;  // IVF_PQ, PQ: how many rows are scored exactly for each that is wanted.
  // Rows with a lower score may be left out: there are enough better ones elsewhere.
  float score_min = -std::numeric_limits<float>::infinity();
};

// kCompact: less than a quarter of the memory of the vectors. kFast: six times that: rows also keep where their links
// lie, so that a step of a walk reads one place (HNSW_FAST).
enum class HnswProfile { kCompact, kFast };

// How a graph of near rows is made and searched.
struct HnswParameters {
  uint32_t m = 16;                 // Links of a row, 4 to 128; in the lowest level twice as many.
  uint32_t ef_construction = 128;  // How many near rows are kept while the links of a row are looked for.
  uint32_t ef = 0;                 // As much for a search, at least. More finds more and takes longer. 0: by the rows.
  size_t threads = 0;              // That build. 0: one per core.
  HnswProfile profile = HnswProfile::kCompact;
};

// How rows are sorted into lists and coded by parts, and how they are searched: IVF_FLAT, IVF_SQ8, IVF_PQ, PQ.
struct IvfParameters {
  uint32_t nlist = 0;     // Lists, 1 to 65,536. 0: four times the root of the rows, but at least 39 rows in each.
  uint32_t nprobe = 64;   // Lists that a search looks into, at least.
  uint32_t m = 0;         // Parts that a vector is cut into, at most one for each dimension. 0: of 4 dimensions each.
  uint32_t nbits = 8;     // Of the code of a part: 4 or 8.
  uint32_t refine_k = 8;  // Rows scored exactly for each that is wanted, where the codes are of parts.
  size_t threads = 0;     // That build. 0: one per core.
};

// How a graph on disk is searched.
struct DiskannParameters {
  uint32_t search_list = 100;  // As HNSW's ef.
  uint32_t beamwidth = 8;      // Reads on their way at once, at most 64.
  // What is in memory of all open indexes of the type, codes and cache. 0: an eighth of their vectors.
  uint64_t memory_bytes_max = 0;
};

// The file that an index's bytes and its vectors lie in.
struct IndexFile {
  int descriptor = -1;    // Open for as long as the index is; its O_DIRECT may be set.
  std::string_view path;  // For messages.
  uint64_t index_offset = 0;
  uint64_t vectors_offset = 0;
};

class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  VectorIndex(const VectorIndex&) = delete;
  VectorIndex& operator=(const VectorIndex&) = delete;

  // At most `limit` rows of `selection`, best first, equal scores by ascending row.
  // Scores are exact: inner product for kCosine (vectors have length 1) and kInnerProduct, negated squared distance for
  // kL2. Whether the rows are the very best is for the type to say.
  virtual Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                             const RowSelection& selection,
                                             const VectorSearchParameters& parameters = {}) const = 0;

 protected:
  VectorIndex() = default;
};

class VectorIndexType {
 public:
  virtual ~VectorIndexType() = default;
  VectorIndexType(const VectorIndexType&) = delete;
  VectorIndexType& operator=(const VectorIndexType&) = delete;

  virtual std::string_view name() const = 0;  // "FLAT"
  virtual uint32_t version() const = 0;       // Of its bytes.
  // The oldest version of the bytes that Open reads.
  virtual uint32_t version_min() const { return version(); }
  // Equal input gives equal bytes.
  virtual Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const = 0;
  // `bytes` and `vectors` (the same rows as at Build, exact) must outlive the index; `bytes` is aligned to 64.
  virtual Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                    Metric metric) const = 0;
  // As Open, of bytes and vectors that are mapped from `file`: a type made for disks reads from there, so that what it
  // reads does not stay in memory.
  virtual Result<std::unique_ptr<VectorIndex>> OpenInFile(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                          Metric metric, const IndexFile& /*file*/) const {
    return Open(bytes, vectors, metric);
  }

 protected:
  VectorIndexType() = default;
};

// BM25 (Robertson and Zaragoza, 2009): sum over the query's distinct terms of
//   weight * ln(1 + (N - df + 0.5) / (df + 0.5)) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length)).
struct Bm25Parameters {
  float k1 = 1.2f;
  float b = 0.75f;
};

// Statistics of the whole collection, live nodes only, so that segments searched one by one score like one index.
struct KeywordStatistics {
  uint64_t nodes = 0;   // N
  uint64_t tokens = 0;  // Sum of lengths; average_length = tokens / nodes.
};

struct WeightedTerm {
  std::string term;
  float weight = 1;    // How often the query has it.
  uint64_t nodes = 0;  // df in the whole collection.
};

class KeywordIndex {
 public:
  virtual ~KeywordIndex() = default;
  KeywordIndex(const KeywordIndex&) = delete;
  KeywordIndex& operator=(const KeywordIndex&) = delete;

  // Rows that hold the term and are not in `excluded`.
  virtual Result<uint64_t> CountRows(std::string_view term, RowBitmap excluded) const = 0;
  // Sets the bits of the rows that hold the term; `rows` has one for each row of the index.
  virtual Status MarkRows(std::string_view term, std::span<uint64_t> rows) const = 0;
  // Tokens of one row.
  virtual Result<uint32_t> Length(uint32_t row) const = 0;
  // At most `limit` rows of `selection` that hold at least one term, best first, equal scores by ascending row.
  virtual Result<std::vector<RowHit>> Search(const Context& context, std::span<const WeightedTerm> terms,
                                             const KeywordStatistics& statistics, size_t limit,
                                             const RowSelection& selection) const = 0;

 protected:
  KeywordIndex() = default;
};

// The tokens of rows, in order, repeats included, as numbers of distinct terms. Not owned.
struct TokenRows {
  std::span<const std::string_view> terms;  // By number, each once.
  std::span<const uint32_t> tokens;         // Of all rows, one row behind the other.
  std::span<const uint32_t> lengths;        // Tokens of each row.
};

class KeywordIndexType {
 public:
  virtual ~KeywordIndexType() = default;
  KeywordIndexType(const KeywordIndexType&) = delete;
  KeywordIndexType& operator=(const KeywordIndexType&) = delete;

  virtual std::string_view name() const = 0;  // "BM25"
  virtual uint32_t version() const = 0;       // Of its bytes.
  virtual Result<std::vector<std::byte>> Build(const TokenRows& rows) const = 0;
  // `bytes` must outlive the index and is aligned to 64.
  virtual Result<std::unique_ptr<KeywordIndex>> Open(std::span<const std::byte> bytes) const = 0;

 protected:
  KeywordIndexType() = default;
};

// A set of items 0 .. items-1 as bits, with the unused bits of the last word 0.
struct ItemSet {
  std::vector<uint64_t> words;  // ceil(items / 64)
  uint64_t count = 0;           // Items in the set.
};

// The fields of items (documents, or rows), column by column, each with the index that its FieldSpec names.
class FieldColumns {
 public:
  virtual ~FieldColumns() = default;
  FieldColumns(const FieldColumns&) = delete;
  FieldColumns& operator=(const FieldColumns&) = delete;

  virtual uint32_t items() const = 0;
  virtual const std::vector<FieldSpec>& fields() const = 0;
  // The items for which `leaf` (no kAnd, kOr, kNot) holds, exactly as MatchesLeaf says. A field that has no column is
  // null everywhere.
  virtual Result<ItemSet> Match(const FilterNode& leaf) const = 0;
  virtual Result<FieldValue> Value(std::string_view field, uint32_t item) const = 0;
  // At most `limit` items of `among` by ascending (or descending) value, equal values by ascending item, null last.
  virtual Result<std::vector<uint32_t>> Ordered(std::string_view field, bool descending, RowBitmap among,
                                                size_t limit) const = 0;

 protected:
  FieldColumns() = default;
};

// Columns that change. One thread at a time writes, and nobody reads meanwhile.
class MutableFieldColumns : public FieldColumns {
 public:
  // Gives a new item its fields; items need not come in order. kInvalidArgument for a value of another type.
  virtual Status Put(uint32_t item, const Fields& fields) = 0;
  virtual void Erase(uint32_t item) = 0;
};

class FieldColumnsType {
 public:
  virtual ~FieldColumnsType() = default;
  FieldColumnsType(const FieldColumnsType&) = delete;
  FieldColumnsType& operator=(const FieldColumnsType&) = delete;

  virtual std::string_view name() const = 0;  // "COLUMNS"
  virtual uint32_t version() const = 0;       // Of its bytes.
  // items[i] are the fields of item i; a value of another type than the spec's is kInvalidArgument. Equal input gives
  // equal bytes.
  virtual Result<std::vector<std::byte>> Build(std::span<const FieldSpec> fields,
                                               std::span<const Fields* const> items) const = 0;
  // `bytes` must outlive the columns and is aligned to 64. Takes the same time for any number of items.
  virtual Result<std::unique_ptr<FieldColumns>> Open(std::span<const std::byte> bytes) const = 0;
  virtual std::unique_ptr<MutableFieldColumns> MakeMutable(std::span<const FieldSpec> fields) const = 0;

 protected:
  FieldColumnsType() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_H_
