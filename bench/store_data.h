// SPDX-License-Identifier: Apache-2.0
//
// StoreData is the generated nodes that bench/store_generate wrote: vectors, questions, texts and fields, mapped.
//
// Threads: immutable. Errors name the file. What it gives out lives as long as it does.
#ifndef RAGTIME_BENCH_STORE_DATA_H_
#define RAGTIME_BENCH_STORE_DATA_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// A row's own word, which its text starts with: "qbcd" for row 12. Letters only, since words are cut at digits.
std::string RowWord(size_t row);

// The fields of every document, each of another type and with another kind of index.
std::vector<FieldSpec> FieldSpecs();

struct DocumentFields {
  int64_t year = 0;
  std::string author;
  bool draft = false;
  double score = 0;
};

class StoreData {
 public:
  static constexpr size_t kDimension = 384;
  static constexpr size_t kNodesPerDocument = 10;

  // The first `rows` rows; kInvalidArgument if there are fewer.
  static Result<StoreData> Open(const std::filesystem::path& folder, size_t rows);

  size_t rows() const { return rows_; }
  size_t documents() const { return (rows_ + kNodesPerDocument - 1) / kNodesPerDocument; }
  size_t queries() const { return queries_.bytes().size() / (kDimension * sizeof(float)); }
  std::span<const float> vector(size_t row) const { return Row(vectors_, row); }
  std::span<const float> query(size_t i) const { return Row(queries_, i); }
  std::string_view text(size_t row) const;
  const DocumentFields& fields(size_t document) const { return fields_[document]; }

  // The rows that `matches` and are nearest to a question, best first, by comparing all of them.
  std::vector<size_t> Nearest(size_t query, size_t limit, const std::function<bool(size_t row)>& matches) const;

  // A document with the rows [first_row, end_row), named after the first.
  DocumentWrite Document(size_t first_row, size_t end_row) const;

 private:
  static std::span<const float> Row(const MappedFile& file, size_t row) {
    return {reinterpret_cast<const float*>(file.bytes().data()) + row * kDimension, kDimension};
  }

  size_t rows_ = 0;
  MappedFile vectors_;
  MappedFile queries_;
  MappedFile texts_;
  MappedFile offsets_;
  std::vector<DocumentFields> fields_;
};

// Without nodes, named after the first row that goes in.
DocumentWrite NewDocument(size_t first_row);
// Puts a node behind those that are there, its text behind theirs.
void AddNode(DocumentWrite& document, std::string text, std::vector<float> vector);

// Commits documents [first, end) in batches of about 8,192 nodes.
Status CommitDocuments(const StoreData& data, size_t first, size_t end, Store& store);

}  // namespace ragtime

#endif  // RAGTIME_BENCH_STORE_DATA_H_
