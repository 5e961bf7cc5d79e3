// SPDX-License-Identifier: Apache-2.0
//
// A map file is a MapStore between two runs: everything that lives in it, in one file that is written anew as a whole.
// docs/formats/map.md describes each field.
//
// Threads: stateless. Errors: kDataLoss names the file where it is not as it was written; those of the disk.
#ifndef RAGTIME_STORE_MAP_MAP_FILE_H_
#define RAGTIME_STORE_MAP_MAP_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/field.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/batch_check.h"

namespace ragtime {

inline constexpr uint32_t kMapFormatVersion = 0;

struct MapContents {
  uint64_t generation = 0;
  DocumentId next_document_id = 1;
  NodeId next_node_id = 1;
  std::optional<size_t> dimension;
  NamedDimensions named;  // Those that the settings say.
  std::map<std::string, std::string, std::less<>> settings;
  std::vector<FieldSpec> fields;
  std::vector<FileRecord> files;
  std::vector<NewNode> nodes;  // By ascending id, with their vectors.
};

std::vector<std::byte> EncodeMap(const MapContents& contents);
// `name` is for messages. What it answers is consistent: ids ascend, documents are there, vectors have the dimension.
Result<MapContents> DecodeMap(std::span<const std::byte> bytes, const std::string& name);

Result<MapContents> ReadMapFile(const std::filesystem::path& file);
// Written beside, synced and renamed: a crash leaves the old file or the new one.
Status WriteMapFile(const std::filesystem::path& file, const MapContents& contents);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MAP_MAP_FILE_H_
