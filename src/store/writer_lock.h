// SPDX-License-Identifier: Apache-2.0
//
// WriterLock is the right to write a knowledge base: an open-file-description lock on one file, which says who holds
// it.
//
// Threads: one thread. Ownership: held until destruction or the end of the process, however that comes. Errors:
// kFailedPrecondition names the holder.
#ifndef RAGTIME_STORE_WRITER_LOCK_H_
#define RAGTIME_STORE_WRITER_LOCK_H_

#include <cstdint>
#include <filesystem>

#include "ragtime/status.h"

namespace ragtime {

class WriterLock {
 public:
  // Waits at most `timeout_ms`.
  static Result<WriterLock> Take(const std::filesystem::path& file, int64_t timeout_ms);
  WriterLock(WriterLock&& other) noexcept;
  WriterLock& operator=(WriterLock&&) = delete;
  ~WriterLock();

 private:
  explicit WriterLock(int fd) : fd_(fd) {}
  int fd_;  // -1: moved from.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_WRITER_LOCK_H_
