// SPDX-License-Identifier: Apache-2.0
//
// Folder is where the parts of a knowledge base lie in its directory, and how segment files come and go.
//
// Threads: stateless but for the path; writing is for the holder of the writer's lock. Errors name the file.
#ifndef RAGTIME_STORE_EMBEDDED_FOLDER_H_
#define RAGTIME_STORE_EMBEDDED_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "ragtime/status.h"
#include "store/segment_builder.h"

namespace ragtime {

class Folder {
 public:
  explicit Folder(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path catalog() const { return root_ / "catalog.sqlite"; }
  std::filesystem::path lock() const { return root_ / "LOCK"; }
  std::filesystem::path segments() const { return root_ / "segments"; }
  std::filesystem::path segment(int64_t id) const;  // The file.

  Status Create() const;  // With those above it and all inside; what is there stays.
  // On return the file and the folders above it are on disk, whole, whatever happens then.
  Status WriteSegment(int64_t id, const SegmentParts& parts, const WriteProgress& progress = {}) const;
  Status RemoveSegment(int64_t id) const;
  // Removes segments that are not in `known`, and unfinished ones.
  Status Sweep(const std::set<int64_t>& known) const;

 private:
  std::filesystem::path root_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_FOLDER_H_
