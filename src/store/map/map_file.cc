// SPDX-License-Identifier: Apache-2.0
#include "store/map/map_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "ragtime/version.h"
#include "text/utf8.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they are");

constexpr std::array<char, 8> kMagic = {'R', 'A', 'G', 'T', 'M', 'A', 'P', '\n'};
constexpr char kRemedy[] = "restore the file from a copy, or ingest the documents again";

struct MapHeader {
  std::array<char, 8> magic = kMagic;
  uint32_t format_version = kMapFormatVersion;
  uint32_t reserved = 0;
  uint64_t body_bytes = 0;
  uint64_t checksum = 0;  // Hash64 of the body.
};
static_assert(sizeof(MapHeader) == 32 && std::is_trivially_copyable_v<MapHeader>);

constexpr uint32_t kHasBytes = 1;
constexpr uint32_t kHasExtracted = 2;
constexpr uint32_t kHasPage = 4;
constexpr uint32_t kHasNamed = 8;

class Encoder {
 public:
  void Number(uint64_t value) { Append(&value, sizeof(value)); }
  void Number(int64_t value) { Number(static_cast<uint64_t>(value)); }
  void Text(std::string_view text) {
    Number(uint64_t{text.size()});
    Append(text.data(), text.size());
  }
  void Append(const void* data, size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Once something does not fit, everything that follows is zero and ok() is false.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> rest) : rest_(rest) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  uint64_t Number() {
    uint64_t value = 0;
    Take(&value, sizeof(value));
    return value;
  }
  int64_t Signed() { return static_cast<int64_t>(Number()); }
  // Of things that take at least `least_bytes` each, so that a wrong count cannot ask for memory.
  uint64_t Count(size_t least_bytes) {
    const uint64_t count = Number();
    if (count <= rest_.size() / least_bytes) return count;
    ok_ = false;
    return 0;
  }
  std::string Text() {
    std::string text(Count(1), '\0');
    Take(text.data(), text.size());
    return text;
  }
  void Take(void* out, size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return;
    }
    if (size == 0) return;  // A null pointer is no destination even for that.
    std::memcpy(out, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

void EncodeFile(const FileRecord& file, Encoder& out) {
  out.Number(file.id);
  out.Number(file.parent_id.value_or(0));
  out.Number(uint64_t{file.is_dir});
  out.Number(static_cast<uint64_t>(file.status));
  out.Number(file.file_size);
  out.Number(file.create_time_ms);
  out.Number(file.modified_time_ns);
  out.Number(file.nodes);
  const std::string fields = EncodeFields(file.fields);
  for (const std::string_view text :
       {std::string_view(file.file_path), std::string_view(file.file_type), std::string_view(file.content_hash),
        std::string_view(file.encoding), std::string_view(file.error), std::string_view(file.meta_hash),
        std::string_view(fields)}) {
    out.Text(text);
  }
}

Result<FileRecord> DecodeFile(Decoder& in) {
  FileRecord file;
  file.id = in.Signed();
  const DocumentId parent = in.Signed();
  if (parent != 0) file.parent_id = parent;
  file.is_dir = in.Number() != 0;
  file.status = static_cast<FileStatus>(std::min<uint64_t>(in.Number(), 2));
  file.file_size = in.Number();
  file.create_time_ms = in.Signed();
  file.modified_time_ns = in.Signed();
  file.nodes = in.Number();
  file.file_path = in.Text();
  file.file_name = file.file_path.substr(file.file_path.rfind('/') + 1);
  for (std::string* text : {&file.file_type, &file.content_hash, &file.encoding, &file.error, &file.meta_hash}) {
    *text = in.Text();
  }
  RAGTIME_ASSIGN_OR_RETURN(file.fields, DecodeFields(in.Text()));
  return file;
}

void EncodeNode(const NewNode& new_node, Encoder& out) {
  const Node& node = new_node.node;
  out.Number(node.id);
  out.Number(node.document_id);
  out.Number(uint64_t{node.position});
  out.Number(uint64_t{(node.bytes ? kHasBytes : 0) | (node.extracted ? kHasExtracted : 0) | (node.page ? kHasPage : 0) |
                      (new_node.named.empty() ? 0 : kHasNamed)});
  if (node.bytes) out.Number(node.bytes->start), out.Number(node.bytes->end);
  if (node.extracted) out.Number(node.extracted->start), out.Number(node.extracted->end);
  if (node.page) out.Number(uint64_t{*node.page});
  out.Text(node.group);
  out.Text(node.text);
  out.Number(uint64_t{node.heading.size()});
  for (const std::string& title : node.heading) out.Text(title);
  out.Append(new_node.vector.data(), new_node.vector.size() * sizeof(float));
  if (new_node.named.empty()) return;
  out.Number(uint64_t{new_node.named.size()});
  for (const auto& [key, vector] : new_node.named) {
    out.Text(key);
    out.Append(vector.data(), vector.size() * sizeof(float));
  }
}

// Of a key that is not declared nothing is read, so that what follows does not fit.
NewNode DecodeNode(Decoder& in, size_t dimension, const NamedDimensions& named) {
  NewNode node;
  node.node.id = in.Signed();
  node.node.document_id = in.Signed();
  node.node.position = static_cast<uint32_t>(in.Number());
  const uint64_t flags = in.Number();
  const auto span = [&in] {
    const uint64_t start = in.Number();
    return Span{start, in.Number()};
  };
  if ((flags & kHasBytes) != 0) node.node.bytes = span();
  if ((flags & kHasExtracted) != 0) node.node.extracted = span();
  if ((flags & kHasPage) != 0) node.node.page = static_cast<uint32_t>(in.Number());
  node.node.group = in.Text();
  node.node.text = in.Text();
  for (uint64_t count = in.Count(8); count > 0; --count) node.node.heading.push_back(in.Text());
  if (!in.ok()) return node;
  node.vector.resize(dimension);
  in.Take(node.vector.data(), dimension * sizeof(float));
  if ((flags & kHasNamed) == 0) return node;
  for (uint64_t count = in.Count(8); count > 0 && in.ok(); --count) {
    std::string key = in.Text();
    const auto declared = named.find(key);
    std::vector<float>& vector = node.named[std::move(key)];
    if (declared != named.end()) vector.resize(declared->second);
    in.Take(vector.data(), vector.size() * sizeof(float));
  }
  return node;
}

// What the bytes can say and no store would.
bool IsConsistent(const MapContents& contents) {
  std::map<DocumentId, uint64_t> nodes_of;
  std::set<std::string_view> paths;
  std::set<DocumentId> folders;
  for (const FileRecord& file : contents.files) {
    if (file.id <= 0 || file.id >= contents.next_document_id || !nodes_of.try_emplace(file.id, 0).second) return false;
    if (file.file_path.empty() || !paths.insert(file.file_path).second) return false;
    if (file.is_dir) folders.insert(file.id);
  }
  for (const FileRecord& file : contents.files) {
    if (file.parent_id && !folders.contains(*file.parent_id)) return false;
    for (const auto& [name, value] : file.fields) {
      for (const FieldSpec& spec : contents.fields) {
        if (spec.name == name && !HasType(value, spec.type)) return false;
      }
    }
  }
  NodeId last = 0;
  for (const NewNode& node : contents.nodes) {
    if (node.node.id <= last || node.node.id >= contents.next_node_id) return false;
    last = node.node.id;
    const auto document = nodes_of.find(node.node.document_id);
    if (document == nodes_of.end() || folders.contains(document->first)) return false;
    ++document->second;
    if (FindInvalidUtf8(node.node.text) != std::string_view::npos) return false;
    for (const float value : node.vector) {
      if (!(value - value == 0)) return false;  // Not finite.
    }
    for (const auto& [key, vector] : node.named) {
      if (!contents.named.contains(key)) return false;
      for (const float value : vector) {
        if (!(value - value == 0)) return false;
      }
    }
  }
  for (const FileRecord& file : contents.files) {
    if (nodes_of[file.id] != file.nodes) return false;
  }
  return true;
}

}  // namespace

std::vector<std::byte> EncodeMap(const MapContents& contents) {
  Encoder out;
  const MapHeader empty;
  out.Append(&empty, sizeof(empty));
  out.Number(contents.generation);
  out.Number(contents.next_document_id);
  out.Number(contents.next_node_id);
  out.Number(contents.dimension ? uint64_t{*contents.dimension} + 1 : 0);
  out.Number(uint64_t{contents.settings.size()});
  for (const auto& [key, value] : contents.settings) {
    out.Text(key);
    out.Text(value);
  }
  out.Text(EncodeFieldSpecs(contents.fields));
  out.Number(uint64_t{contents.files.size()});
  for (const FileRecord& file : contents.files) EncodeFile(file, out);
  out.Number(uint64_t{contents.nodes.size()});
  for (const NewNode& node : contents.nodes) EncodeNode(node, out);
  MapHeader header;
  header.body_bytes = out.bytes().size() - sizeof(header);
  header.checksum = Hash64(std::span<const std::byte>(out.bytes()).subspan(sizeof(header)));
  std::memcpy(out.bytes().data(), &header, sizeof(header));
  return std::move(out.bytes());
}

Result<MapContents> DecodeMap(std::span<const std::byte> bytes, const std::string& name) {
  const auto damaged = [&name](std::string_view why) {
    return DataLossError(StrCat("the map file ", name, " is damaged: ", why), kRemedy);
  };
  MapHeader header;
  if (bytes.size() < sizeof(header)) return damaged("it is cut off");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != kMagic) return damaged("it does not begin like a map file");
  if (header.format_version > kMapFormatVersion) {
    return FailedPreconditionError(StrCat("the map file ", name, " has format ", header.format_version,
                                          ", and this Ragtime ", kVersion, " reads formats up to ", kMapFormatVersion),
                                   "use a newer Ragtime");
  }
  const std::span<const std::byte> body = bytes.subspan(sizeof(header));
  if (body.size() != header.body_bytes) {
    return damaged(StrCat("it has ", body.size(), " bytes behind its header instead of ", header.body_bytes));
  }
  if (Hash64(body) != header.checksum) return damaged("its checksum is wrong");

  Decoder in(body);
  MapContents contents;
  contents.generation = in.Number();
  contents.next_document_id = in.Signed();
  contents.next_node_id = in.Signed();
  const uint64_t dimension = in.Number();
  if (dimension > 0) contents.dimension = static_cast<size_t>(dimension - 1);
  if (dimension > body.size()) return damaged("its dimension is too large");
  for (uint64_t count = in.Count(16); count > 0; --count) {
    std::string key = in.Text();
    contents.settings[std::move(key)] = in.Text();
  }
  if (const auto named = contents.settings.find(kNamedDimensionsSetting); named != contents.settings.end()) {
    Result<NamedDimensions> decoded = DecodeDimensions(named->second);
    if (!decoded.ok()) return damaged(decoded.status().message());
    contents.named = *std::move(decoded);
  }
  for (const auto& [key, size] : contents.named) {
    if (size > body.size()) return damaged("the dimension of a key is too large");
  }
  Result<std::vector<FieldSpec>> fields = DecodeFieldSpecs(in.Text());
  if (!fields.ok()) return damaged(fields.status().message());
  contents.fields = *std::move(fields);
  for (uint64_t count = in.Count(64); count > 0 && in.ok(); --count) {
    Result<FileRecord> file = DecodeFile(in);
    if (!file.ok()) return damaged(file.status().message());
    contents.files.push_back(*std::move(file));
  }
  for (uint64_t count = in.Count(56); count > 0 && in.ok(); --count) {
    contents.nodes.push_back(DecodeNode(in, contents.dimension.value_or(0), contents.named));
  }
  if (!in.ok()) return damaged("a count or a length leads out of it");
  if (!in.at_end()) return damaged("something follows its end");
  if (!IsConsistent(contents)) return damaged("its files and nodes contradict each other");
  return contents;
}

Result<MapContents> ReadMapFile(const std::filesystem::path& file) {
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(file));
  return DecodeMap(mapped.bytes(), file.string());
}

Status WriteMapFile(const std::filesystem::path& file, const MapContents& contents) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::absolute(file, error);
  if (error) return ErrnoError(error.value(), "looking for the current folder");
  const std::filesystem::path unfinished = StrCat(target.string(), ".tmp-", ::getpid());
  Status status = WriteFileDurably(unfinished, EncodeMap(contents));
  if (status.ok()) status = RenameDurably(unfinished, target);
  if (!status.ok()) std::filesystem::remove(unfinished, error);
  return status;
}

}  // namespace ragtime
