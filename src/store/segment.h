// SPDX-License-Identifier: Apache-2.0
//
// A Segment is an immutable run of nodes with their texts, vectors and indexes, read where it lies: in a mapped file,
// or in an image out of the catalog. Opening looks at the header only; an index is opened when it is first asked.
//
// Threads: immutable; every method may be called concurrently. Ownership: keeps its bytes mapped or in memory. Errors:
// bytes that SegmentBuilder cannot have written are kDataLoss with the segment's name, never a crash.
#ifndef RAGTIME_STORE_SEGMENT_H_
#define RAGTIME_STORE_SEGMENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "store/index_set.h"
#include "store/segment_format.h"
#include "store/text_blocks.h"

namespace ragtime {

// The bytes of a segment in memory, aligned as its sections are.
class SegmentImage {
 public:
  explicit SegmentImage(size_t size_bytes)
      : data_(static_cast<std::byte*>(::operator new[](size_bytes, std::align_val_t(kImageAlignment)))),
        size_bytes_(size_bytes) {}
  static SegmentImage CopyOf(std::span<const std::byte> bytes) {
    SegmentImage image(bytes.size());
    std::copy(bytes.begin(), bytes.end(), image.bytes().begin());
    return image;
  }
  std::span<std::byte> bytes() { return {data_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t(kImageAlignment)); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t size_bytes_;
};

// The vectors of one key of NewNode::named in a segment: those of its rows that have one.
struct NamedColumn {
  std::string key;
  size_t dimension = 0;
  uint32_t count = 0;
  std::span<const std::byte> rows;     // count ascending uint32_t.
  std::span<const std::byte> vectors;  // count times dimension floats, in the order of rows.
  const SectionEntry* index = nullptr;

  uint32_t row(uint32_t place) const { return LoadAt<uint32_t>(rows, place); }
  VectorMatrix matrix() const {
    return {.data = reinterpret_cast<const float*>(vectors.data()), .rows = count, .dimension = dimension};
  }
  std::optional<uint32_t> PlaceOf(uint32_t row) const;
};

class Segment {
 public:
  // `segment_id` is what the bytes must say.
  static Result<std::shared_ptr<const Segment>> OpenFile(const std::filesystem::path& path, uint64_t segment_id,
                                                         Metric metric, const IndexSet& indexes);
  // `opened` is what was mapped.
  static Result<std::shared_ptr<const Segment>> OpenMapped(MappedFile file, std::shared_ptr<const OpenedFile> opened,
                                                           std::string name, uint64_t segment_id, Metric metric,
                                                           const IndexSet& indexes);
  // Checks all of `image`. `name` is for messages.
  static Result<std::shared_ptr<const Segment>> OpenImage(SegmentImage image, std::string name, uint64_t segment_id,
                                                          Metric metric, const IndexSet& indexes);

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  const std::string& name() const { return name_; }
  uint32_t rows() const { return header_.rows; }
  size_t dimension() const { return header_.dimension; }
  uint64_t size_bytes() const { return bytes_.size(); }

  // Rows must be below rows().
  NodeId node_id(uint32_t row) const { return LoadAt<NodeId>(node_ids_, row); }
  DocumentId document_id(uint32_t row) const { return LoadAt<RowRecord>(rows_, row).document_id; }
  std::span<const float> vector(uint32_t row) const;
  Result<Node> ReadNode(uint32_t row, TextBlockCache& cache) const;
  Result<NodeRow> ReadRow(uint32_t row) const;  // Touches no text.

  std::optional<uint32_t> FindNode(NodeId id) const;
  // The rows of one document follow each other; row_count is 0 where there are none.
  Result<DocumentRows> FindDocument(DocumentId id) const;
  // The documents, 0, 1, 2 ... by ascending id; the columns of fields number them so.
  uint32_t document_count() const { return static_cast<uint32_t>(documents_.size() / sizeof(DocumentRows)); }
  Result<DocumentRows> document(uint32_t index) const;  // `index` must be below document_count().
  uint32_t FindDocumentIndex(DocumentId id) const;      // Of the first document that is not below `id`.

  // Null where the nodes have no vectors.
  Result<const VectorIndex*> vector_index() const;
  // Null where no row has a vector of the key.
  const NamedColumn* FindNamed(std::string_view key) const;
  // Of the rows of a column of this segment: its row p is the column's place p.
  Result<const VectorIndex*> named_index(const NamedColumn& column) const;
  std::map<std::string, std::vector<float>> named_vectors(uint32_t row) const;
  std::span<const NamedColumn> named() const { return named_; }

  Result<const KeywordIndex*> keyword_index() const;
  // Null where no fields were declared when the segment was made.
  Result<const FieldColumns*> fields() const;
  // The rows that are not of `group`, as a bitmap; none at all (empty) where all rows are of it.
  Result<std::span<const uint64_t>> RowsOutside(const std::string& group) const;

  // An index of it is of an earlier version than this Ragtime writes. Its nodes can be read, not searched, until a
  // merge has made it anew.
  bool outdated() const;

  // The type of its vector index; empty where the nodes have no vectors.
  std::string_view vector_index_name() const;
  // The type of any of its vector indexes is not the one that would be built for as many rows now.
  bool has_other_vector_index() const;

  // Compares every section with its checksum.
  Status Verify() const;

 private:
  struct Group {
    std::string name;
    uint32_t rows = 0;
  };
  // Made at the first call, an error too.
  template <typename T>
  struct Lazy {
    std::once_flag once;
    Status status;
    T value;
  };

  Segment(std::string name, Metric metric, IndexSet indexes)
      : name_(std::move(name)), metric_(metric), indexes_(std::move(indexes)), image_(0) {}
  Status Parse(uint64_t segment_id);
  Status ParseSections();
  Status Damaged(std::string_view why) const;
  // The error of a part of it, with its name and remedy.
  Status OfPart(const Status& status) const;
  const SectionEntry* Find(SectionType type) const;
  std::span<const std::byte> BytesOf(const SectionEntry& entry) const;
  Result<const std::vector<Group>*> groups() const;
  Status ParseGroups(std::vector<Group>& groups) const;
  // Whether the index is of that type, and of a version that it reads.
  Status CheckIndexName(const SectionEntry& entry, std::string_view name, uint32_t version, uint32_t version_min) const;
  Status ParseKeys();
  Result<std::unique_ptr<VectorIndex>> OpenIndex(const std::string& key, const SectionEntry& entry,
                                                 const VectorMatrix& matrix) const;
  Status OpenVectorIndex() const;
  Status CheckWords() const;
  Status OpenKeywordIndex() const;
  Status OpenFields() const;

  const std::string name_;
  const Metric metric_;
  const IndexSet indexes_;
  MappedFile file_;                           // Of OpenFile.
  std::shared_ptr<const OpenedFile> opened_;  // Of OpenFile.
  SegmentImage image_;                        // Of OpenImage.
  std::span<const std::byte> bytes_;
  SegmentHeader header_;
  std::vector<SectionEntry> sections_;
  std::span<const std::byte> node_ids_;
  std::span<const std::byte> rows_;
  std::span<const std::byte> documents_;
  std::span<const std::byte> vectors_;
  std::optional<TextBlocks> texts_;  // Always there in a segment that was opened.
  std::vector<NamedColumn> named_;

  mutable Lazy<std::unique_ptr<VectorIndex>> vector_index_;
  mutable std::deque<Lazy<std::unique_ptr<VectorIndex>>> named_indexes_;  // Of named_.
  mutable Lazy<std::unique_ptr<KeywordIndex>> keyword_index_;
  mutable Lazy<std::unique_ptr<FieldColumns>> fields_;
  mutable Lazy<std::vector<Group>> groups_;
  mutable std::mutex outside_mutex_;
  mutable std::map<std::string, std::vector<uint64_t>> outside_;  // By group. Guarded by outside_mutex_; never shrinks.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_SEGMENT_H_
