// SPDX-License-Identifier: Apache-2.0
#include "store/segment.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "base/hash.h"
#include "base/str_cat.h"
#include "ragtime/version.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "restore the knowledge base from a copy, or ingest the documents into a new one";

// Takes numbers and names off the front of a section. False: it is cut off.
class SectionReader {
 public:
  explicit SectionReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool Take(uint32_t& number) {
    if (rest_.size() < sizeof(number)) return false;
    number = LoadAt<uint32_t>(rest_, 0);
    rest_ = rest_.subspan(sizeof(number));
    return true;
  }
  // Behind its size in bytes.
  bool Take(std::string& name) {
    uint32_t size = 0;
    if (!Take(size) || size > rest_.size()) return false;
    name.assign(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return true;
  }

 private:
  std::span<const std::byte> rest_;
};

// The first of 0 to end - 1 that is not below, where those that are come first; `end` where all are.
template <typename Below>
uint32_t FirstFrom(uint32_t end, Below below) {
  uint32_t low = 0;
  while (low < end) {
    const uint32_t middle = low + (end - low) / 2;
    if (below(middle)) {
      low = middle + 1;
    } else {
      end = middle;
    }
  }
  return low;
}

}  // namespace

Result<std::shared_ptr<const Segment>> Segment::OpenFile(const std::filesystem::path& path, uint64_t segment_id,
                                                         Metric metric, const IndexSet& indexes) {
  RAGTIME_ASSIGN_OR_RETURN(OpenedFile opened, OpenedFile::Open(path));
  RAGTIME_ASSIGN_OR_RETURN(MappedFile file, opened.Map());
  return OpenMapped(std::move(file), std::make_shared<const OpenedFile>(std::move(opened)), path.string(), segment_id,
                    metric, indexes);
}

Result<std::shared_ptr<const Segment>> Segment::OpenMapped(MappedFile file, std::shared_ptr<const OpenedFile> opened,
                                                           std::string name, uint64_t segment_id, Metric metric,
                                                           const IndexSet& indexes) {
  std::shared_ptr<Segment> segment(new Segment(std::move(name), metric, indexes));
  segment->file_ = std::move(file);
  segment->opened_ = std::move(opened);
  segment->bytes_ = segment->file_.bytes();
  RAGTIME_RETURN_IF_ERROR(segment->Parse(segment_id));
  return std::shared_ptr<const Segment>(std::move(segment));
}

Result<std::shared_ptr<const Segment>> Segment::OpenImage(SegmentImage image, std::string name, uint64_t segment_id,
                                                          Metric metric, const IndexSet& indexes) {
  std::shared_ptr<Segment> segment(new Segment(std::move(name), metric, indexes));
  segment->image_ = std::move(image);
  segment->bytes_ = segment->image_.bytes();
  RAGTIME_RETURN_IF_ERROR(segment->Parse(segment_id));
  RAGTIME_RETURN_IF_ERROR(segment->Verify());
  return std::shared_ptr<const Segment>(std::move(segment));
}

Status Segment::Damaged(std::string_view why) const {
  return DataLossError(StrCat("the segment ", name_, " is damaged: ", why), kRemedy);
}

Status Segment::OfPart(const Status& status) const {
  return status.Annotate(StrCat("the segment ", name_)).WithRemedy(kRemedy);
}

Status Segment::Parse(uint64_t segment_id) {
  if (bytes_.size() < sizeof(SegmentHeader)) return Damaged("it is cut off");
  header_ = LoadAt<SegmentHeader>(bytes_, 0);
  if (header_.magic != kSegmentMagic) return Damaged("it does not begin like a segment");
  if (header_.format_version > kSegmentFormatVersion) {
    return FailedPreconditionError(
        StrCat("the segment ", name_, " has format ", header_.format_version, ", and this Ragtime ", kVersion,
               " reads formats up to ", kSegmentFormatVersion),
        "use a newer Ragtime");
  }
  if (header_.section_count > kSegmentSectionsMax ||
      header_.header_size != sizeof(SegmentHeader) + header_.section_count * sizeof(SectionEntry) ||
      header_.header_size > bytes_.size()) {
    return Damaged("its header has a wrong size");
  }
  std::vector<std::byte> header(bytes_.begin(), bytes_.begin() + header_.header_size);
  SegmentHeader unsigned_header = header_;
  unsigned_header.checksum = 0;
  std::memcpy(header.data(), &unsigned_header, sizeof(unsigned_header));
  if (Hash64(header) != header_.checksum) return Damaged("its header's checksum is wrong");
  if (header_.size_bytes != bytes_.size()) {
    return Damaged(StrCat("it has ", bytes_.size(), " bytes instead of ", header_.size_bytes));
  }
  if (header_.segment_id != segment_id) return Damaged(StrCat("it says it is segment ", header_.segment_id));
  if (header_.rows == 0) return Damaged("it has no rows");
  const auto table = bytes_.subspan(sizeof(SegmentHeader));
  for (uint32_t i = 0; i < header_.section_count; ++i) sections_.push_back(LoadAt<SectionEntry>(table, i));
  return ParseSections();
}

Status Segment::ParseSections() {
  for (const SectionEntry& entry : sections_) {
    if (entry.offset % kImageAlignment != 0 || entry.offset > bytes_.size() ||
        entry.size_bytes > bytes_.size() - entry.offset) {
      return Damaged(StrCat("section ", entry.type, " lies outside of it"));
    }
  }
  const uint64_t rows = header_.rows;
  const auto take = [this](SectionType type, uint64_t size_bytes, std::span<const std::byte>& out,
                           uint32_t newest = 0) -> Status {
    const SectionEntry* entry = Find(type);
    if (entry == nullptr) return Damaged(StrCat("section ", static_cast<uint32_t>(type), " is missing"));
    if (entry->version > newest) {
      return FailedPreconditionError(StrCat("section ", entry->type, " of the segment ", name_, " has version ",
                                            entry->version, ", and this Ragtime reads ", newest),
                                     "use a newer Ragtime");
    }
    out = BytesOf(*entry);
    if (size_bytes != UINT64_MAX && out.size() != size_bytes) {
      return Damaged(StrCat("section ", entry->type, " has a wrong size"));
    }
    return Status();
  };
  RAGTIME_RETURN_IF_ERROR(take(SectionType::kNodeIds, rows * sizeof(NodeId), node_ids_));
  RAGTIME_RETURN_IF_ERROR(take(SectionType::kRows, rows * sizeof(RowRecord), rows_));
  RAGTIME_RETURN_IF_ERROR(take(SectionType::kDocuments, UINT64_MAX, documents_));
  std::span<const std::byte> texts;
  RAGTIME_RETURN_IF_ERROR(take(SectionType::kText, UINT64_MAX, texts, kTextSectionVersion));
  texts_.emplace(texts);
  if (documents_.size() % sizeof(DocumentRows) != 0) return Damaged("its list of documents has a wrong size");
  if (header_.dimension > 0) {
    RAGTIME_RETURN_IF_ERROR(take(SectionType::kVectors, rows * header_.dimension * sizeof(float), vectors_));
  }
  return Find(SectionType::kKeys) == nullptr ? Status() : ParseKeys();
}

Status Segment::ParseKeys() {
  SectionReader reader(BytesOf(*Find(SectionType::kKeys)));
  uint32_t count = 0;
  if (!reader.Take(count)) return Damaged("the keys of its vectors are cut off");
  auto next = sections_.begin();
  const auto section = [&](SectionType type) -> const SectionEntry* {
    if (next == sections_.end() || next->type != static_cast<uint32_t>(type)) return nullptr;
    return &*next++;
  };
  for (uint32_t i = 0; i < count; ++i) {
    NamedColumn column;
    uint32_t dimension = 0;
    if (!reader.Take(dimension) || !reader.Take(column.key)) return Damaged("the keys of its vectors are cut off");
    column.dimension = dimension;
    while (next != sections_.end() && next->type != static_cast<uint32_t>(SectionType::kKeyRows)) ++next;
    const SectionEntry* const rows = section(SectionType::kKeyRows);
    column.index = section(SectionType::kKeyIndex);
    const SectionEntry* const vectors = section(SectionType::kKeyVectors);
    if (rows == nullptr || column.index == nullptr || vectors == nullptr) {
      return Damaged(StrCat("sections of the vectors ", column.key, " are missing"));
    }
    if ((rows->version | vectors->version) != 0) {
      return FailedPreconditionError(StrCat("the vectors ", column.key, " of the segment ", name_,
                                            " are of a version that this Ragtime does not read"),
                                     "use a newer Ragtime");
    }
    column.rows = BytesOf(*rows);
    column.vectors = BytesOf(*vectors);
    column.count = static_cast<uint32_t>(column.rows.size() / sizeof(uint32_t));
    if (dimension == 0 || column.count == 0 || column.rows.size() % sizeof(uint32_t) != 0 ||
        column.count > this->rows() || column.vectors.size() != uint64_t{column.count} * dimension * sizeof(float)) {
      return Damaged(StrCat("a section of the vectors ", column.key, " has a wrong size"));
    }
    named_.push_back(std::move(column));
    named_indexes_.emplace_back();
  }
  return Status();
}

std::optional<uint32_t> NamedColumn::PlaceOf(uint32_t wanted) const {
  const uint32_t place = FirstFrom(count, [&](uint32_t at) { return row(at) < wanted; });
  return place < count && row(place) == wanted ? std::optional(place) : std::nullopt;
}

const NamedColumn* Segment::FindNamed(std::string_view key) const {
  const auto found =
      std::find_if(named_.begin(), named_.end(), [key](const auto& column) { return column.key == key; });
  return found == named_.end() ? nullptr : &*found;
}

std::map<std::string, std::vector<float>> Segment::named_vectors(uint32_t row) const {
  std::map<std::string, std::vector<float>> vectors;
  for (const NamedColumn& column : named_) {
    const std::optional<uint32_t> place = column.PlaceOf(row);
    if (!place) continue;
    const std::span<const float> vector = column.matrix().row(*place);
    vectors[column.key].assign(vector.begin(), vector.end());
  }
  return vectors;
}

const SectionEntry* Segment::Find(SectionType type) const {
  const auto found = std::find_if(sections_.begin(), sections_.end(), [type](const SectionEntry& entry) {
    return entry.type == static_cast<uint32_t>(type);
  });
  return found == sections_.end() ? nullptr : &*found;
}

std::span<const std::byte> Segment::BytesOf(const SectionEntry& entry) const {
  return bytes_.subspan(entry.offset, entry.size_bytes);
}

std::span<const float> Segment::vector(uint32_t row) const {
  if (header_.dimension == 0) return {};
  return {reinterpret_cast<const float*>(vectors_.data()) + size_t{row} * header_.dimension, header_.dimension};
}

Result<Node> Segment::ReadNode(uint32_t row, TextBlockCache& cache) const {
  const auto record = LoadAt<RowRecord>(rows_, row);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Group>* groups, this->groups());
  if (record.group >= groups->size()) return Damaged(StrCat("row ", row, " is of an unknown group"));
  Node node;
  node.id = node_id(row);
  node.document_id = record.document_id;
  node.group = (*groups)[record.group].name;
  node.position = record.position;
  if ((record.flags & RowRecord::kHasBytes) != 0) node.bytes = Span{record.bytes_start, record.bytes_end};
  if ((record.flags & RowRecord::kHasExtracted) != 0)
    node.extracted = Span{record.extracted_start, record.extracted_end};
  if ((record.flags & RowRecord::kHasPage) != 0) node.page = record.page;
  const Status status = texts_->Read({record.text_block, record.text_offset}, cache, node);
  if (!status.ok()) return status.Annotate(StrCat("the segment ", name_, ", row ", row)).WithRemedy(kRemedy);
  return node;
}

Result<NodeRow> Segment::ReadRow(uint32_t row) const {
  const auto record = LoadAt<RowRecord>(rows_, row);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Group>* groups, this->groups());
  if (record.group >= groups->size()) return Damaged(StrCat("row ", row, " is of an unknown group"));
  NodeRow node{.node_id = node_id(row),
               .document_id = record.document_id,
               .group = (*groups)[record.group].name,
               .position = record.position};
  if ((record.flags & RowRecord::kHasPage) != 0) node.page = record.page;
  return node;
}

std::optional<uint32_t> Segment::FindNode(NodeId id) const {
  const NodeId first = node_id(0);
  if (id < first || id > node_id(rows() - 1)) return std::nullopt;
  // Ids have no gaps until deletions are reclaimed, so that the first guess mostly hits without walking over pages.
  const auto guess = static_cast<uint64_t>(id) - static_cast<uint64_t>(first);
  if (guess < rows() && node_id(static_cast<uint32_t>(guess)) == id) return static_cast<uint32_t>(guess);
  const auto end = static_cast<uint32_t>(std::min<uint64_t>(guess, rows()));
  const uint32_t row = FirstFrom(end, [&](uint32_t at) { return node_id(at) < id; });
  return row < rows() && node_id(row) == id ? std::optional(row) : std::nullopt;
}

uint32_t Segment::FindDocumentIndex(DocumentId id) const {
  return FirstFrom(document_count(),
                   [&](uint32_t at) { return LoadAt<DocumentRows>(documents_, at).document_id < id; });
}

Result<DocumentRows> Segment::FindDocument(DocumentId id) const {
  const uint32_t index = FindDocumentIndex(id);
  if (index == document_count()) return DocumentRows{.document_id = id};
  RAGTIME_ASSIGN_OR_RETURN(const DocumentRows found, document(index));
  return found.document_id == id ? found : DocumentRows{.document_id = id};
}

Result<const std::vector<Segment::Group>*> Segment::groups() const {
  std::call_once(groups_.once, [this] { groups_.status = ParseGroups(groups_.value); });
  if (!groups_.status.ok()) return groups_.status;
  return &groups_.value;
}

Status Segment::ParseGroups(std::vector<Group>& groups) const {
  const SectionEntry* entry = Find(SectionType::kGroups);
  if (entry == nullptr) return Damaged("its groups are missing");
  SectionReader reader(BytesOf(*entry));
  uint32_t count = 0;
  if (!reader.Take(count)) return Damaged("its groups are cut off");
  for (uint32_t i = 0; i < count; ++i) {
    Group group;
    if (!reader.Take(group.rows) || !reader.Take(group.name)) return Damaged("its groups are cut off");
    groups.push_back(std::move(group));
  }
  return Status();
}

Result<std::span<const uint64_t>> Segment::RowsOutside(const std::string& group) const {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Group>* groups, this->groups());
  const auto wanted =
      std::find_if(groups->begin(), groups->end(), [&group](const Group& g) { return g.name == group; });
  if (wanted != groups->end() && wanted->rows == rows()) return std::span<const uint64_t>();
  const std::lock_guard lock(outside_mutex_);
  const auto [found, inserted] = outside_.try_emplace(group);
  if (inserted) {
    std::vector<uint64_t>& words = found->second;
    words.resize((size_t{rows()} + 63) / 64);
    // An unknown group has no index, and so every row is outside.
    const auto index = static_cast<size_t>(wanted - groups->begin());
    for (uint32_t row = 0; row < rows(); ++row) {
      if (LoadAt<RowRecord>(rows_, row).group != index) words[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
  return std::span<const uint64_t>(found->second);
}

Result<DocumentRows> Segment::document(uint32_t index) const {
  const auto found = LoadAt<DocumentRows>(documents_, index);
  if (found.first_row > rows() || found.row_count > rows() - found.first_row) {
    return Damaged(StrCat("document ", found.document_id, " has rows outside of it"));
  }
  return found;
}

Status Segment::Verify() const {
  for (const SectionEntry& entry : sections_) {
    if (Hash64(BytesOf(entry)) != entry.checksum)
      return Damaged(StrCat("the checksum of section ", entry.type, " is wrong"));
  }
  return Status();
}

}  // namespace ragtime
