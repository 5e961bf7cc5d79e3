// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/disk_reader.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// Reads of one call that are on their way together.
constexpr size_t kPiecesMax = 64;
constexpr char kRemedy[] = "Check the disk, then restore the knowledge base from a copy.";

constexpr uint64_t Down(uint64_t offset) { return offset / DiskReader::kSector * DiskReader::kSector; }
constexpr uint64_t Up(uint64_t offset) { return Down(offset + DiskReader::kSector - 1); }

struct FreeAligned {
  void operator()(std::byte* data) const { ::operator delete[](data, std::align_val_t(DiskReader::kSector)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeAligned>;

AlignedBytes AllocateAligned(size_t size) {
  return AlignedBytes(static_cast<std::byte*>(::operator new[](size, std::align_val_t(DiskReader::kSector))));
}

// A piece, widened to whole sectors.
struct WideRead {
  uint64_t offset = 0;
  std::byte* to = nullptr;
  size_t size = 0;
  size_t least = 0;  // What must have come for the piece; the file may end in its last sector.
  size_t done = 0;
};

Status CutOff(const DiskFile& file, uint64_t offset) {
  return DataLossError(StrCat("the file ", file.path(), " ends too early: nothing at byte ", offset), kRemedy);
}

Status ReadFailed(const DiskFile& file, uint64_t offset, int error) {
  return ErrnoError(error, StrCat("reading ", file.path(), " at byte ", offset)).WithRemedy(kRemedy);
}

// What is left of `read`.
Status ReadRest(const DiskFile& file, WideRead& read) {
  while (read.done < read.least) {
    // A read past the cache goes on at a sector.
    const uint64_t done = file.direct() ? Down(read.done) : read.done;
    const ssize_t count =
        ::pread(file.descriptor(), read.to + done, read.size - done, static_cast<off_t>(read.offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ReadFailed(file, read.offset + done, errno);
    if (done + static_cast<size_t>(count) <= read.done) return CutOff(file, read.offset + read.done);
    read.done = done + static_cast<size_t>(count);
  }
  return Status();
}

}  // namespace

Result<DiskFile> DiskFile::Open(int descriptor, std::string_view path, bool direct) {
  DiskFile file;
  file.descriptor_ = descriptor;
  file.path_ = path;
  struct stat info;
  if (::fstat(descriptor, &info) != 0) return ErrnoError(errno, StrCat("reading the size of ", path));
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (direct && flags >= 0 && ::fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0) {
    // A file system may take the flag and refuse the read.
    const AlignedBytes sector = AllocateAligned(DiskReader::kSector);
    file.direct_ = ::pread(descriptor, sector.get(), DiskReader::kSector, 0) >= 0;
    if (!file.direct_) ::fcntl(descriptor, F_SETFL, flags);
  }
  // Nothing but what is asked for.
  if (!file.direct_) ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
  return file;
}

struct DiskReader::Lane {
  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    if (has_ring) io_uring_queue_exit(&ring);
  }

  std::byte* Room(size_t size) {
    if (size > room_size) {
      room = AllocateAligned(size);
      room_size = size;
    }
    return room.get();
  }

  io_uring ring;
  bool has_ring = false;
  AlignedBytes room;
  size_t room_size = 0;
};

DiskReader::DiskReader(bool io_uring) : use_uring_(io_uring) {}

DiskReader::~DiskReader() = default;

std::unique_ptr<DiskReader::Lane> DiskReader::TakeLane() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Lane> lane = std::move(free_.back());
      free_.pop_back();
      return lane;
    }
  }
  auto lane = std::make_unique<Lane>();
  if (use_uring_) {
    const int error = -io_uring_queue_init(kPiecesMax, &lane->ring, 0);
    lane->has_ring = error == 0;
    // A container forbids it, or the kernel has none: that stays so. Other errors pass.
    if (error == EPERM || error == EACCES || error == ENOSYS || error == EINVAL) use_uring_ = false;
  }
  return lane;
}

Status DiskReader::Read(const DiskFile& file, std::span<const FilePiece> pieces) {
  std::unique_ptr<Lane> lane = TakeLane();
  Status status;
  for (size_t start = 0; start < pieces.size() && status.ok(); start += kPiecesMax) {
    status = ReadSome(file, pieces.subspan(start, std::min(kPiecesMax, pieces.size() - start)), lane);
  }
  reads_ += pieces.size();
  if (lane == nullptr || (use_uring_ && !lane->has_ring)) return status;
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(lane));
  return status;
}

Status DiskReader::ReadSome(const DiskFile& file, std::span<const FilePiece> pieces, std::unique_ptr<Lane>& lane) {
  std::array<WideRead, kPiecesMax> reads;
  size_t size = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const uint64_t end = pieces[i].offset + pieces[i].to.size();
    if (end > file.size_bytes()) return CutOff(file, file.size_bytes());
    reads[i].offset = Down(pieces[i].offset);
    reads[i].size = Up(end) - reads[i].offset;
    reads[i].least = end - reads[i].offset;
    size += reads[i].size;
  }
  std::byte* room = lane->Room(size);
  for (size_t i = 0; i < pieces.size(); ++i) {
    reads[i].to = room;
    room += reads[i].size;
  }
  if (lane->has_ring && pieces.size() > 1) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      io_uring_sqe* entry = io_uring_get_sqe(&lane->ring);  // The ring has room for all: it is empty.
      io_uring_prep_read(entry, file.descriptor(), reads[i].to, static_cast<unsigned>(reads[i].size), reads[i].offset);
      io_uring_sqe_set_data64(entry, i);
    }
    const int submitted = io_uring_submit_and_wait(&lane->ring, static_cast<unsigned>(pieces.size()));
    // Even of a call that failed some may be on their way.
    const size_t waited = pieces.size() - io_uring_sq_ready(&lane->ring);
    for (size_t n = 0; n < waited; ++n) {
      io_uring_cqe* entry = nullptr;
      int waiting = 0;
      do {
        waiting = io_uring_wait_cqe(&lane->ring, &entry);
      } while (waiting == -EINTR);
      if (waiting < 0) {
        // Reads on their way would write into the lane: it stays, with its memory, for as long as the process does.
        [[maybe_unused]] const Lane* kept = lane.release();
        return ReadFailed(file, reads[0].offset, -waiting);
      }
      // What failed is read once more below, which tells why.
      if (entry->res > 0) reads[io_uring_cqe_get_data64(entry)].done = static_cast<size_t>(entry->res);
      io_uring_cqe_seen(&lane->ring, entry);
    }
    // What was not taken must not be sent later.
    if (submitted < 0 || waited < pieces.size()) {
      io_uring_queue_exit(&lane->ring);
      lane->has_ring = false;
    }
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(ReadRest(file, reads[i]));
    std::memcpy(pieces[i].to.data(), reads[i].to + (pieces[i].offset - reads[i].offset), pieces[i].to.size());
  }
  return Status();
}

}  // namespace ragtime
