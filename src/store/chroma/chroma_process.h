// SPDX-License-Identifier: Apache-2.0
//
// ChromaProcess is a `chroma run` of our own, on a folder of this machine and a free port of 127.0.0.1.
//
// Threads: one thread. Ownership: the server ends with it, or with this process. Errors: kFailedPrecondition where
// `chroma` is not installed or the folder is in use.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_
#define RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>

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
  ~ChromaProcess();

  const std::string& url() const { return url_; }
  pid_t process() const { return process_; }

 private:
  ChromaProcess(WriterLock lock, pid_t process, std::string url)
      : lock_(std::move(lock)), process_(process), url_(std::move(url)) {}

  const WriterLock lock_;
  const pid_t process_;
  const std::string url_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_PROCESS_H_
