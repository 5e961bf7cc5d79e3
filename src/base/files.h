// SPDX-License-Identifier: Apache-2.0
//
// Files on disk: mapped for reading, read whole, and written so that a crash leaves the old or the new state.
//
// Threads: a MappedFile is immutable and may be shared. Errors name the file.
#ifndef RAGTIME_BASE_FILES_H_
#define RAGTIME_BASE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

// The bytes of a file, mapped read-only and shared. They stay valid when the file is unlinked.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  friend class OpenedFile;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the system that these bytes of a mapped file are read here and there, so that what is missing is read without
// what lies around it, which may be megabytes.
void ReadAtRandom(std::span<const std::byte> bytes);
// Tells the system that these bytes of a mapped file are read here and there all the time, so that what is missing is
// read with the 2 MiB around it and kept in a large page, where the system and the file system have those.
void KeepInLargePages(std::span<const std::byte> bytes);
// Asks the system to read these bytes of a mapped file soon, and does not wait for them.
void ReadSoon(std::span<const std::byte> bytes);

// A file that is open and not mapped yet: it can be mapped also when it was unlinked meanwhile.
class OpenedFile {
 public:
  static Result<OpenedFile> Open(const std::filesystem::path& path);
  OpenedFile(OpenedFile&& other) noexcept;
  OpenedFile& operator=(OpenedFile&&) = delete;
  ~OpenedFile();

  Result<MappedFile> Map() const;
  int descriptor() const { return fd_; }

 private:
  OpenedFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::filesystem::path path_;
  int fd_;
};

// kResourceExhausted where the file is larger than `size_bytes_max`.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t size_bytes_max = UINT64_MAX);

// Writes and fsyncs `path`, which must not exist yet or is replaced in place; not atomic by itself.
Status WriteFileDurably(const std::filesystem::path& path, std::span<const std::byte> bytes);
Status SyncFolder(const std::filesystem::path& folder);
// rename(2), then fsync of the folder that holds the new name.
Status RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ragtime

#endif  // RAGTIME_BASE_FILES_H_
