// SPDX-License-Identifier: Apache-2.0
#include "store_targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "model/gguf_file.h"
#include "require.h"
#include "store/deletions.h"
#include "store/map/map_file.h"
#include "store/map/map_state.h"
#include "store/segment.h"
#include "store/segment_builder.h"
#include "text/tokenizer.h"

namespace ragtime {
namespace {

constexpr uint64_t kSegmentId = 5;
constexpr uint32_t kDeletionRows = 1000;

IndexSet Indexes() {
  return {.vector = std::make_shared<FlatIndexType>(), .keyword = std::make_shared<Bm25IndexType>()};
}

void SetChecksumsRight(std::span<std::byte> bytes) {
  if (bytes.size() < sizeof(SegmentHeader)) return;
  auto header = LoadAt<SegmentHeader>(bytes, 0);
  if (header.section_count > kSegmentSectionsMax ||
      header.header_size != sizeof(SegmentHeader) + header.section_count * sizeof(SectionEntry) ||
      header.header_size > bytes.size()) {
    return;
  }
  for (uint32_t i = 0; i < header.section_count; ++i) {
    std::byte* at = bytes.data() + sizeof(SegmentHeader) + i * sizeof(SectionEntry);
    SectionEntry entry;
    std::memcpy(&entry, at, sizeof(entry));
    if (entry.offset > bytes.size() || entry.size_bytes > bytes.size() - entry.offset) continue;
    entry.checksum = Hash64(std::span<const std::byte>(bytes.subspan(entry.offset, entry.size_bytes)));
    std::memcpy(at, &entry, sizeof(entry));
  }
  header.size_bytes = bytes.size();
  header.checksum = 0;
  std::memcpy(bytes.data(), &header, sizeof(header));
  header.checksum = Hash64(std::span<const std::byte>(bytes.first(header.header_size)));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

// The bytes as a file that is in memory only.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    Require(fd_ >= 0 && ::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return StrCat("/proc/self/fd/", fd_); }

 private:
  int fd_;
};

void UseSegment(const Segment& segment) {
  TextBlockCache cache;
  const uint32_t rows = std::min<uint32_t>(segment.rows(), 2000);
  for (uint32_t row = 0; row < rows; ++row) {
    if (const auto found = segment.FindNode(segment.node_id(row))) Require(*found < segment.rows());
    (void)segment.ReadNode(row, cache);
    Require(segment.vector(row).size() == segment.dimension());
    const auto document = segment.FindDocument(segment.document_id(row));
    if (document.ok()) Require(document->first_row + uint64_t{document->row_count} <= segment.rows());
  }
  for (const char* group : {"paragraph", "none"}) (void)segment.RowsOutside(group);
  if (const auto index = segment.vector_index(); index.ok() && *index != nullptr && segment.dimension() < 4096) {
    const std::vector<float> query(segment.dimension(), 0.5f);
    (void)(*index)->Search({}, query, 5, {});
  }
  for (const NamedColumn& column : segment.named()) {
    Require(segment.FindNamed(column.key) != nullptr && column.matrix().rows == column.count);
    for (const uint32_t row : {0u, 1u, 2u, 39u, UINT32_MAX}) {
      if (const auto place = column.PlaceOf(row)) Require(*place < column.count);
    }
    const auto index = segment.named_index(column);
    if (!index.ok() || *index == nullptr || column.dimension >= 4096) continue;
    const std::vector<float> query(column.dimension, 0.5f);
    const auto hits = (*index)->Search({}, query, 5, {});
    for (const RowHit& hit : hits.ok() ? *hits : std::vector<RowHit>()) Require(hit.row < column.count);
  }
  for (uint32_t row = 0; row < rows; ++row) {
    for (const auto& [key, vector] : segment.named_vectors(row)) {
      Require(vector.size() == segment.FindNamed(key)->dimension);
    }
  }
  if (const auto index = segment.keyword_index(); index.ok()) {
    const std::vector<WeightedTerm> terms = {{.term = "backup", .weight = 1, .nodes = 3}};
    (void)(*index)->Search({}, terms, {.nodes = 10, .tokens = 100}, 5, {});
    (void)(*index)->CountRows("index", {});
    (void)(*index)->Length(0);
  }
}

}  // namespace

bool UseAsSegment(std::span<const std::byte> bytes) {
  SegmentImage image = SegmentImage::CopyOf(bytes);
  SetChecksumsRight(image.bytes());
  const auto segment = Segment::OpenImage(std::move(image), "fuzz", kSegmentId, Metric::kCosine, Indexes());
  if (!segment.ok()) return false;
  UseSegment(**segment);
  return true;
}

bool UseAsDeletions(std::span<const std::byte> bytes) {
  const auto deletions = Deletions::Parse(bytes, kDeletionRows);
  if (!deletions.ok()) return false;
  uint64_t count = 0;
  for (uint32_t row = 0; row < kDeletionRows; ++row) count += deletions->Contains(row) ? 1 : 0;
  Require(count == deletions->count());
  return true;
}

bool UseAsMapFile(std::span<const std::byte> bytes) {
  constexpr size_t kHeaderBytes = 32;
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (copy.size() >= kHeaderBytes) {
    const auto body = std::span<const std::byte>(copy).subspan(kHeaderBytes);
    const uint64_t size = body.size();
    const uint64_t checksum = Hash64(body);
    std::memcpy(copy.data() + 16, &size, sizeof(size));
    std::memcpy(copy.data() + 24, &checksum, sizeof(checksum));
  }
  auto contents = DecodeMap(copy, "fuzz");
  if (!contents.ok()) return false;
  Require(DecodeMap(EncodeMap(*contents), "fuzz").ok());
  MapState state(Metric::kCosine, {}, std::make_shared<ColumnsType>(), nullptr);
  state.Load(*std::move(contents));
  (void)state.Save();
  return true;
}

bool UseAsTokenizer(std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  const auto tokenizer = OpenTokenizer(file.path());
  if (!tokenizer.ok()) return false;
  std::vector<int32_t> ids;
  for (const char* text : {"", "the backup of a knowledge base", "数据库备份 Straße é \xff"}) {
    ids.clear();
    (*tokenizer)->Encode(text, ids);
    for (const int32_t id : ids) Require(id >= 0 && static_cast<size_t>(id) < (*tokenizer)->vocabulary_size());
    Require((*tokenizer)->Count(text) == ids.size());
  }
  return true;
}

bool UseAsGguf(std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  const auto gguf = GgufFile::Open(file.path());
  if (!gguf.ok()) return false;
  for (const char* key : {"general.architecture", "layers", "epsilon", "words"}) {
    (void)gguf->Integer(key);
    (void)gguf->Float(key);
    (void)gguf->String(key);
  }
  unsigned sum = 0;
  for (const char* name : {"floats", "blocks", "token_embd.weight"}) {
    if (const GgufTensor* tensor = gguf->Find(name)) {
      for (const std::byte byte : tensor->bytes) sum += static_cast<unsigned>(byte);
    }
  }
  [[maybe_unused]] static volatile unsigned sink;
  sink = sum;
  return true;
}

std::vector<std::byte> SegmentSeed() {
  SegmentBuilder builder(kSegmentId, 8, Metric::kCosine, Indexes());
  for (int i = 0; i < 40; ++i) {
    Node node{.id = 100 + i * 2, .document_id = 1 + i / 3};
    node.group = i % 2 == 0 ? "paragraph" : "sentence";
    node.position = static_cast<uint32_t>(i);
    node.text = StrCat("backup of the index ", i, " 数据库");
    node.heading = {"Restore", "From a backup"};
    node.bytes = Span{10, 20};
    std::vector<float> vector(8, 0.0f);
    vector[static_cast<size_t>(i) % 8] = 1;
    std::map<std::string, std::vector<float>> named;
    if (i % 3 == 0) named["english"] = {1, static_cast<float>(i), 0};
    if (i % 2 == 1) named["far"] = {0.6f, 0.8f};
    Require(builder.Add(node, vector, named).ok());
  }
  return (*builder.Finish({})).ToImage();
}

std::vector<std::byte> MapFileSeed() {
  MapContents contents{.generation = 3, .next_document_id = 9, .next_node_id = 40, .dimension = 3};
  contents.settings = {{"uuid", "u"}, {"metric", "COSINE"}};
  contents.fields = {{"year", FieldType::kInt, FieldIndex::kBtree}};
  contents.files.push_back({.id = 1, .file_name = "d", .file_path = "d", .is_dir = true});
  contents.files.push_back({.id = 2, .file_name = "a.md", .file_path = "d/a.md", .parent_id = 1, .nodes = 5});
  contents.files.back().fields = {{"year", int64_t{2020}}};
  for (int i = 0; i < 5; ++i) {
    NewNode node{.node = {.id = 10 + i, .document_id = 2, .group = "g", .text = "backup"},
                 .vector = {0.1f, 0.2f, 0.3f}};
    if (i % 2 == 0) node.node.bytes = Span{1, 2};
    node.node.heading = {"One", "Two"};
    contents.nodes.push_back(std::move(node));
  }
  return EncodeMap(contents);
}

std::vector<std::byte> DeletionsSeed() {
  Deletions deletions(kDeletionRows);
  for (uint32_t row = 3; row < kDeletionRows; row = row * 5 / 4 + 1) deletions.Add(row);
  return *deletions.Serialize();
}

}  // namespace ragtime
