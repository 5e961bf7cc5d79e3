// SPDX-License-Identifier: Apache-2.0
//
// ChromaProcess is a `chroma run` of our own, on a folder of this machine and a free port of 127.0.0.1.
//
// Threads: one thread. Ownership: the server ends with it, and with this process however it ends. Errors:
// kFailedPrecondition where `chroma` is not installed or the folder is in use.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_
#define RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_

#include <filesystem>
#include <memory>
#include <string>

#include "base/child_process.h"
#include "ragtime/context.h"
#include "ragtime/status.h"
#include "store/writer_lock.h"

namespace ragtime {

class ChromaProcess {
 public:
  // `command` is looked for in PATH. Returns when the server answers.
  static Result<std::unique_ptr<ChromaProcess>> Start(const Context& context, const std::filesystem::path& folder,
                                                      const std::string& command);
  ChromaProcess(const ChromaProcess&) = delete;
  ChromaProcess& operator=(const ChromaProcess&) = delete;

  const std::string& url() const { return url_; }
  void Kill() { process_->Kill(); }

 private:
  ChromaProcess(WriterLock lock, std::unique_ptr<ChildProcess> process, std::string url)
      : lock_(std::move(lock)), process_(std::move(process)), url_(std::move(url)) {}

  const WriterLock lock_;  // Given back after the process has ended.
  const std::unique_ptr<ChildProcess> process_;
  const std::string url_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_
