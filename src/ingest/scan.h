// SPDX-License-Identifier: Apache-2.0
//
// Scan finds the files that can be ingested below the given folders, and names them as the knowledge base does.
//
// Errors: kNotFound for a path that is not there. A folder that cannot be read is in the result, and the rest is
// scanned.
#ifndef RAGTIME_INGEST_SCAN_H_
#define RAGTIME_INGEST_SCAN_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/fields.h"
#include "ragtime/context.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/reader.h"
#include "ragtime/status.h"

namespace ragtime {

struct ScanRequest {
  std::vector<std::filesystem::path> paths;  // Folders, taken recursively, or files.
  std::filesystem::path root;                // What file paths are relative to.
  std::filesystem::path kb_folder;           // Never scanned; "": none.
};

struct ScannedFile {
  std::filesystem::path path;  // Absolute.
  std::string file_path;       // As in FileRecord.
  uint64_t size_bytes = 0;
  int64_t modified_time_ns = 0;
  const Reader* reader = nullptr;
  FieldSources fields;  // The scan finds the sidecar only.
};

// How many files no reader takes, by ending in lower case; "": without one.
using SkippedTypes = std::map<std::string, uint64_t>;

// One of the given paths.
struct ScannedScope {
  std::filesystem::path path;  // Absolute.
  bool is_folder = false;
  uint64_t files = 0;  // Found below it.
  SkippedTypes skipped;
};

struct ScanResult {
  std::filesystem::path root;      // Absolute, without links.
  std::vector<ScannedFile> files;  // By ascending file_path, each once.
  std::vector<ScannedScope> scopes;
  std::vector<FailedFile> failed;
  std::vector<std::filesystem::path> unreadable;  // Folders of which nothing is known now.
  SkippedTypes skipped;
  std::vector<Warning> warnings;
};

// Names that start with a dot are passed over. A link to a file stands for it, unless the file was found anyway; a link
// to a folder is not followed, and named in the warnings. A sidecar belongs to the file beside it, and is no file.
Result<ScanResult> Scan(const Context& context, const ScanRequest& request, std::span<const Reader* const> readers);

// The file_path of a path relative to the root: '/' between parts, each byte that is not UTF-8 as %XX. A % that could
// be taken for that (%80 to %FF, or %25) becomes %25, so that UnescapeFilePath gives the name back, byte by byte.
std::string EscapeFilePath(std::string_view path);
std::string UnescapeFilePath(std::string_view file_path);

// Whether an absolute path names `folder` or something below it.
bool IsAtOrBelow(const std::string& path, const std::string& folder);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SCAN_H_
