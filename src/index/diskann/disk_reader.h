// SPDX-License-Identifier: Apache-2.0
//
// DiskReader reads pieces of files, many at once: by io_uring where the system allows it, one after the other with
// pread where it does not. DiskFile is one file for it, read past the page cache where the file system can.
//
// Threads: every method may be called concurrently; each call that reads has a ring of its own, kept for the next.
// Errors: what the system says, and kDataLoss where the file ends too early, with the file and the offset.
#ifndef RAGTIME_INDEX_DISKANN_DISK_READER_H_
#define RAGTIME_INDEX_DISKANN_DISK_READER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

class DiskFile {
 public:
  // `descriptor` must stay open. With `direct` its O_DIRECT is set if reads then work.
  static Result<DiskFile> Open(int descriptor, std::string_view path, bool direct);

  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }
  uint64_t size_bytes() const { return size_bytes_; }
  bool direct() const { return direct_; }

 private:
  DiskFile() = default;
  int descriptor_ = -1;
  std::string path_;
  uint64_t size_bytes_ = 0;
  bool direct_ = false;
};

struct FilePiece {
  uint64_t offset = 0;
  std::span<std::byte> to;
};

class DiskReader {
 public:
  // Reads start and end at multiples of this, as O_DIRECT wants it of most file systems.
  static constexpr size_t kSector = 4096;

  explicit DiskReader(bool io_uring = true);
  DiskReader(const DiskReader&) = delete;
  DiskReader& operator=(const DiskReader&) = delete;
  ~DiskReader();

  // All pieces, or an error.
  Status Read(const DiskFile& file, std::span<const FilePiece> pieces);

  // False once the system has refused io_uring.
  bool uses_io_uring() const { return use_uring_; }
  uint64_t reads() const { return reads_; }  // Pieces so far.

 private:
  struct Lane;  // What one call reads with.

  std::unique_ptr<Lane> TakeLane();
  Status ReadSome(const DiskFile& file, std::span<const FilePiece> pieces, std::unique_ptr<Lane>& lane);

  std::atomic<bool> use_uring_;
  std::atomic<uint64_t> reads_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Lane>> free_;  // Guarded by mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_DISK_READER_H_
