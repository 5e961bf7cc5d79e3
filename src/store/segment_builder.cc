// SPDX-License-Identifier: Apache-2.0
#include "store/segment_builder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/hash.h"
#include "base/str_cat.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kGroupsMax = 65535;
// Written between two calls of WriteProgress: under a millisecond in the page cache. Pieces end at multiples of it in
// the file: a whole one is then a single large page of the page cache (ext4 from Linux 6.16 on, XFS), and a walk over a
// graph in such pages a tenth to a fifth faster.
constexpr size_t kWriteBytes = size_t{2} << 20;

uint64_t AlignUp(uint64_t value, size_t alignment) { return (value + alignment - 1) / alignment * alignment; }

template <typename T>
std::vector<std::byte> BytesOf(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Writes one after the other and pads to the offset of the next.
class FileWriter {
 public:
  FileWriter(const std::filesystem::path& path, const WriteProgress& progress) : path_(path), progress_(progress) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter() {
    if (fd_ >= 0) ::close(fd_);
  }

  Status Open() {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd_ >= 0 ? Status() : ErrnoError(errno, StrCat("creating ", path_.string()));
  }

  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
    // A gap before `offset` becomes zeros by itself.
    for (size_t done = 0; done < bytes.size();) {
      const size_t piece = kWriteBytes - (offset + done) % kWriteBytes;
      const ssize_t count =
          ::pwrite(fd_, bytes.data() + done, std::min(bytes.size() - done, piece), static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrnoError(errno, StrCat("writing ", path_.string()));
      done += static_cast<size_t>(count);
      if (progress_) RAGTIME_RETURN_IF_ERROR(progress_(static_cast<uint64_t>(count)));
    }
    return Status();
  }

  Status Finish(uint64_t size_bytes) {
    if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) {
      return ErrnoError(errno, StrCat("writing ", path_.string()));
    }
    if (::fsync(fd_) != 0) return ErrnoError(errno, StrCat("writing ", path_.string(), " to disk"));
    return Status();
  }

 private:
  const std::filesystem::path& path_;
  const WriteProgress& progress_;
  int fd_ = -1;
};

}  // namespace

SegmentBuilder::SegmentBuilder(uint64_t segment_id, size_t dimension, Metric metric, IndexSet indexes,
                               std::vector<FieldSpec> fields)
    : metric_(metric), indexes_(std::move(indexes)), field_specs_(std::move(fields)) {
  header_.segment_id = segment_id;
  header_.dimension = static_cast<uint32_t>(dimension);
  header_.words_version = WordsVersion(indexes_.chinese.get());
}

Result<uint16_t> SegmentBuilder::GroupOf(const std::string& name) {
  auto group = std::find_if(groups_.begin(), groups_.end(), [&name](const Group& g) { return g.name == name; });
  if (group == groups_.end()) {
    if (groups_.size() == kGroupsMax) {
      return InvalidArgumentError(StrCat("a commit has too many node groups, limit ", kGroupsMax));
    }
    group = groups_.insert(groups_.end(), {.name = name});
  }
  ++group->rows;
  return static_cast<uint16_t>(group - groups_.begin());
}

Status SegmentBuilder::Add(const Node& node, std::span<const float> vector,
                           const std::map<std::string, std::vector<float>>& named) {
  RowRecord row;
  row.document_id = node.document_id;
  if (node.bytes) {
    row.flags |= RowRecord::kHasBytes;
    row.bytes_start = node.bytes->start;
    row.bytes_end = node.bytes->end;
  }
  if (node.extracted) {
    row.flags |= RowRecord::kHasExtracted;
    row.extracted_start = node.extracted->start;
    row.extracted_end = node.extracted->end;
  }
  if (node.page) {
    row.flags |= RowRecord::kHasPage;
    row.page = *node.page;
  }
  row.position = node.position;
  RAGTIME_ASSIGN_OR_RETURN(row.group, GroupOf(node.group));
  RAGTIME_ASSIGN_OR_RETURN(const TextPlace place, texts_.Add(node.text, node.heading));
  row.text_block = place.block;
  row.text_offset = place.offset;
  if (documents_.empty() || documents_.back().document_id != node.document_id) {
    documents_.push_back({.document_id = node.document_id, .first_row = rows()});
    fields_.emplace_back();
  }
  ++documents_.back().row_count;
  for (const auto& [key, of_key] : named) {
    NamedColumn& column = named_[key];
    column.dimension = static_cast<uint32_t>(of_key.size());
    column.rows.push_back(rows());
    column.vectors.insert(column.vectors.end(), of_key.begin(), of_key.end());
  }
  node_ids_.push_back(node.id);
  rows_.push_back(row);
  vectors_.insert(vectors_.end(), vector.begin(), vector.end());
  SplitWords(node.text, indexes_.chinese.get(), [this](std::string_view word) { words_.Add(word); });
  words_.EndRow();
  tokens_ = words_.tokens();
  return Status();
}

void SegmentBuilder::SetFields(Fields fields) { fields_.back() = std::move(fields); }

Result<SegmentParts> SegmentBuilder::Finish(const Context& context) {
  SegmentParts parts;
  parts.header_ = header_;
  parts.header_.rows = rows();
  const auto add = [&parts](SectionType type, std::vector<std::byte> bytes, uint32_t version = 0,
                            std::string_view name = {}) {
    SectionEntry entry{.type = static_cast<uint32_t>(type), .version = version, .size_bytes = bytes.size()};
    std::copy_n(name.begin(), std::min(name.size(), entry.name.size()), entry.name.begin());
    parts.sections_.push_back({entry, std::move(bytes)});
  };
  add(SectionType::kNodeIds, BytesOf(node_ids_));
  add(SectionType::kRows, BytesOf(rows_));
  add(SectionType::kDocuments, BytesOf(documents_));
  std::vector<std::byte> groups;
  const auto append = [&groups](const void* data, size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    groups.insert(groups.end(), bytes, bytes + size);
  };
  const auto group_count = static_cast<uint32_t>(groups_.size());
  append(&group_count, sizeof(group_count));
  for (const Group& group : groups_) {
    const auto name_size = static_cast<uint32_t>(group.name.size());
    append(&group.rows, sizeof(group.rows));
    append(&name_size, sizeof(name_size));
    append(group.name.data(), group.name.size());
  }
  add(SectionType::kGroups, std::move(groups));
  if (!field_specs_.empty() && indexes_.fields != nullptr) {
    std::vector<const Fields*> items;
    for (const Fields& fields : fields_) items.push_back(&fields);
    RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> columns, indexes_.fields->Build(field_specs_, items));
    add(SectionType::kFields, std::move(columns), indexes_.fields->version(), indexes_.fields->name());
    fields_ = {};
  }
  RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> text, texts_.Finish());
  add(SectionType::kText, std::move(text), kTextSectionVersion);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> index, indexes_.keyword->Build(words_.rows()));
    add(SectionType::kKeywordIndex, std::move(index), indexes_.keyword->version(), indexes_.keyword->name());
    words_ = {};
  }
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (header_.dimension > 0) {
    const VectorMatrix matrix{.data = vectors_.data(), .rows = rows(), .dimension = header_.dimension};
    const VectorIndexType& type = indexes_.VectorFor(rows());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> index, type.Build(context, matrix, metric_));
    add(SectionType::kVectorIndex, std::move(index), type.version(), type.name());
    add(SectionType::kVectors, BytesOf(vectors_));
    vectors_ = {};
  }
  if (!named_.empty()) {
    std::vector<std::byte> keys;
    const auto put = [&keys](const void* data, size_t size) {
      const auto* bytes = static_cast<const std::byte*>(data);
      keys.insert(keys.end(), bytes, bytes + size);
    };
    const auto count = static_cast<uint32_t>(named_.size());
    put(&count, sizeof(count));
    for (const auto& [key, column] : named_) {
      const auto key_size = static_cast<uint32_t>(key.size());
      put(&column.dimension, sizeof(column.dimension));
      put(&key_size, sizeof(key_size));
      put(key.data(), key.size());
    }
    add(SectionType::kKeys, std::move(keys));
    for (auto& [key, column] : named_) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const VectorMatrix matrix{
          .data = column.vectors.data(), .rows = column.rows.size(), .dimension = column.dimension};
      const VectorIndexType& type = indexes_.VectorFor(key, column.rows.size());
      RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> index, type.Build(context, matrix, metric_));
      add(SectionType::kKeyRows, BytesOf(column.rows));
      add(SectionType::kKeyIndex, std::move(index), type.version(), type.name());
      add(SectionType::kKeyVectors, BytesOf(column.vectors));
      column = {};
    }
  }
  for (auto& section : parts.sections_) section.entry.checksum = Hash64(section.bytes);
  return parts;
}

uint64_t SegmentParts::size_bytes(size_t alignment) const {
  uint64_t size = sizeof(SegmentHeader) + sections_.size() * sizeof(SectionEntry);
  for (const Section& section : sections_) size = AlignUp(size, alignment) + section.bytes.size();
  return size;
}

std::vector<std::byte> SegmentParts::HeaderBytes(size_t alignment) const {
  SegmentHeader header = header_;
  header.section_count = static_cast<uint32_t>(sections_.size());
  header.header_size = static_cast<uint32_t>(sizeof(SegmentHeader) + sections_.size() * sizeof(SectionEntry));
  header.size_bytes = size_bytes(alignment);
  header.checksum = 0;
  std::vector<std::byte> bytes(header.header_size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  uint64_t offset = header.header_size;
  for (size_t i = 0; i < sections_.size(); ++i) {
    SectionEntry entry = sections_[i].entry;
    entry.offset = offset = AlignUp(offset, alignment);
    offset += entry.size_bytes;
    std::memcpy(bytes.data() + sizeof(header) + i * sizeof(entry), &entry, sizeof(entry));
  }
  header.checksum = Hash64(bytes);
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

std::vector<std::byte> SegmentParts::ToImage() const {
  std::vector<std::byte> image = HeaderBytes(kImageAlignment);
  image.reserve(size_bytes(kImageAlignment));
  for (const Section& section : sections_) {
    image.resize(AlignUp(image.size(), kImageAlignment));
    image.insert(image.end(), section.bytes.begin(), section.bytes.end());
  }
  return image;
}

Status SegmentParts::WriteFile(const std::filesystem::path& path, const WriteProgress& progress) const {
  FileWriter file(path, progress);
  RAGTIME_RETURN_IF_ERROR(file.Open());
  const std::vector<std::byte> header = HeaderBytes(kFileAlignment);
  RAGTIME_RETURN_IF_ERROR(file.WriteAt(0, header));
  uint64_t offset = header.size();
  for (const Section& section : sections_) {
    offset = AlignUp(offset, kFileAlignment);
    RAGTIME_RETURN_IF_ERROR(file.WriteAt(offset, section.bytes));
    offset += section.bytes.size();
  }
  return file.Finish(offset);
}

}  // namespace ragtime
