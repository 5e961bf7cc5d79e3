// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

int OpenRetrying(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Advice only: what the system cannot do is left to the reads.
void Advise(std::span<const std::byte> bytes, int advice) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) & ~(page - 1);
  const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

Result<OpenedFile> OpenedFile::Open(const std::filesystem::path& path) {
  OpenedFile file(path, OpenRetrying(path, O_RDONLY));
  if (file.fd_ < 0) return ErrnoError(errno, StrCat("opening ", path.string()));
  return Result<OpenedFile>(std::move(file));
}

OpenedFile::OpenedFile(OpenedFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

OpenedFile::~OpenedFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<MappedFile> OpenedFile::Map() const {
  struct stat info;
  if (::fstat(fd_, &info) != 0) return ErrnoError(errno, StrCat("reading the size of ", path_.string()));
  if (!S_ISREG(info.st_mode)) return InvalidArgumentError(StrCat(path_.string(), " is not a regular file"));
  MappedFile file;
  if (info.st_size == 0) return file;
  void* data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, fd_, 0);
  if (data == MAP_FAILED) return ErrnoError(errno, StrCat("mapping ", path_.string()));
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = static_cast<size_t>(info.st_size);
  return file;
}

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  RAGTIME_ASSIGN_OR_RETURN(const OpenedFile file, OpenedFile::Open(path));
  return file.Map();
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void ReadAtRandom(std::span<const std::byte> bytes) { Advise(bytes, MADV_RANDOM); }

void KeepInLargePages(std::span<const std::byte> bytes) { Advise(bytes, MADV_HUGEPAGE); }

void ReadSoon(std::span<const std::byte> bytes) { Advise(bytes, MADV_WILLNEED); }

Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t size_bytes_max) {
  FileDescriptor fd(OpenRetrying(path, O_RDONLY));
  if (fd.get() < 0) return ErrnoError(errno, StrCat("opening ", path.string()));
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoError(errno, StrCat("reading the size of ", path.string()));
  if (S_ISDIR(info.st_mode)) return InvalidArgumentError(StrCat(path.string(), " is a folder, not a file"));
  std::string bytes;
  bytes.reserve(static_cast<size_t>(info.st_size) + 1);
  // A file may grow, and one under /proc has no size: read until the end, whatever fstat said.
  for (;;) {
    if (bytes.size() > size_bytes_max) {
      return ResourceExhaustedError(StrCat(path.string(), " is larger than the limit of ", size_bytes_max, " bytes"),
                                    "split the file into smaller ones");
    }
    const size_t old_size = bytes.size();
    const size_t step = std::max<size_t>(bytes.capacity() - old_size, 65536);
    bytes.resize(old_size + step);
    const ssize_t count = ::read(fd.get(), bytes.data() + old_size, step);
    if (count < 0 && errno == EINTR) {
      bytes.resize(old_size);
      continue;
    }
    if (count < 0) return ErrnoError(errno, StrCat("reading ", path.string()));
    bytes.resize(old_size + static_cast<size_t>(count));
    if (count == 0) return bytes;
  }
}

Status WriteFileDurably(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  FileDescriptor fd(OpenRetrying(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  if (fd.get() < 0) return ErrnoError(errno, StrCat("creating ", path.string()));
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, StrCat("writing ", path.string()));
    done += static_cast<size_t>(count);
  }
  if (::fsync(fd.get()) != 0) return ErrnoError(errno, StrCat("writing ", path.string(), " to disk"));
  return Status();
}

Status SyncFolder(const std::filesystem::path& folder) {
  FileDescriptor fd(OpenRetrying(folder, O_RDONLY | O_DIRECTORY));
  if (fd.get() < 0) return ErrnoError(errno, StrCat("opening folder ", folder.string()));
  if (::fsync(fd.get()) != 0) return ErrnoError(errno, StrCat("writing folder ", folder.string(), " to disk"));
  return Status();
}

Status RenameDurably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoError(errno, StrCat("renaming ", from.string(), " to ", to.string()));
  }
  return SyncFolder(to.parent_path());
}

}  // namespace ragtime
