// SPDX-License-Identifier: Apache-2.0
#include "store/writer_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <string>
#include <thread>
#include <utility>

#include "base/files.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

// How often a waiting writer asks again: short beside a commit's fsync, long beside the system call.
constexpr auto kPollInterval = std::chrono::milliseconds(20);

// "process 4711 (ragtime ingest docs) on host alpha since 2025-01-31 12:00:00 UTC"
std::string Myself() {
  std::string command;
  if (auto line = ReadFile("/proc/self/cmdline", 4096); line.ok()) command = *std::move(line);
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (command.size() > 200) command = command.substr(0, 197) + "...";
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::array<char, 32> time{};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::strftime(time.data(), time.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return StrCat("process ", ::getpid(), " (", command, ") on host ", host.data(), " since ", time.data());
}

// The lock stands even if this cannot be written: a full disk must not keep files from being deleted.
void WriteHolder(int fd, const std::string& holder) {
  if (::ftruncate(fd, 0) != 0) return;
  [[maybe_unused]] const ssize_t count = ::pwrite(fd, holder.data(), holder.size(), 0);
}

std::string ReadHolder(int fd) {
  std::string holder(1024, '\0');
  const ssize_t count = ::pread(fd, holder.data(), holder.size(), 0);
  holder.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return holder.empty() ? "another process" : holder;
}

}  // namespace

Result<WriterLock> WriterLock::Take(const std::filesystem::path& file, int64_t timeout_ms) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoError(errno, StrCat("opening the lock ", file.string()));
  WriterLock lock(fd);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  for (;;) {
    if (::fcntl(fd, F_OFD_SETLK, &whole) == 0) break;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EACCES) return ErrnoError(errno, StrCat("locking ", file.string()));
    if (std::chrono::steady_clock::now() >= deadline) {
      return FailedPreconditionError(
          StrCat("the knowledge base ", file.parent_path().string(), " is being written by ", ReadHolder(fd)),
          "wait until it is done, or give a longer --lock-timeout");
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  WriteHolder(fd, Myself());
  return lock;
}

WriterLock::WriterLock(WriterLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

WriterLock::~WriterLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace ragtime
