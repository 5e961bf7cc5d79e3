// SPDX-License-Identifier: Apache-2.0
#include "engine/digest.h"

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

// Every part with its length before it, so that no two different documents give the same bytes.
class Bytes {
 public:
  void Add(uint64_t number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number)); }
  void Add(std::string_view text) {
    Add(uint64_t{text.size()});
    bytes_.append(text);
  }
  void Add(const std::optional<Span>& span) {
    Add(uint64_t{span.has_value()});
    Add(span ? span->start : 0);
    Add(span ? span->end : 0);
  }
  void Add(std::span<const float> vector) {
    Add(uint64_t{vector.size()});
    bytes_.append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
  }
  std::string Hex() const { return HashHex(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace

std::string DocumentDigest(const FileRecord& file, std::span<const NewNode> nodes) {
  Bytes bytes;
  bytes.Add(std::string_view(file.file_path));
  bytes.Add(std::string_view(file.file_type));
  bytes.Add(file.file_size);
  bytes.Add(static_cast<uint64_t>(file.modified_time_ns));
  bytes.Add(std::string_view(file.content_hash));
  bytes.Add(std::string_view(file.encoding));
  bytes.Add(std::string_view(file.meta_hash));
  bytes.Add(std::string_view(EncodeFields(file.fields)));
  bytes.Add(static_cast<uint64_t>(file.status));
  bytes.Add(std::string_view(file.error));
  bytes.Add(uint64_t{nodes.size()});
  for (const NewNode& item : nodes) {
    const Node& node = item.node;
    bytes.Add(std::string_view(node.group));
    bytes.Add(uint64_t{node.position});
    bytes.Add(std::string_view(node.text));
    bytes.Add(uint64_t{node.heading.size()});
    for (const std::string& heading : node.heading) bytes.Add(std::string_view(heading));
    bytes.Add(node.bytes);
    bytes.Add(node.extracted);
    bytes.Add(uint64_t{node.page.has_value()});
    bytes.Add(uint64_t{node.page.value_or(0)});
    bytes.Add(std::span<const float>(item.vector));
    for (const auto& [key, vector] : item.named) {
      bytes.Add(std::string_view(key));
      bytes.Add(std::span<const float>(vector));
    }
  }
  return bytes.Hex();
}

std::string DigestOfAll(const std::map<std::string, std::string>& by_path) {
  Bytes bytes;
  for (const auto& [path, digest] : by_path) {
    bytes.Add(std::string_view(path));
    bytes.Add(std::string_view(digest));
  }
  return bytes.Hex();
}

}  // namespace ragtime
