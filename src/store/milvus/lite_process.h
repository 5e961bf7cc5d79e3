// SPDX-License-Identifier: Apache-2.0
//
// LiteProcess is a Milvus Lite server of our own, for a knowledge base in a folder of this machine.
//
// Threads: one at a time. Ownership: the process ends with it. Errors: kNotFound where Milvus Lite is not installed,
// kUnavailable with the end of its log where it does not start.
#ifndef RAGTIME_STORE_MILVUS_LITE_PROCESS_H_
#define RAGTIME_STORE_MILVUS_LITE_PROCESS_H_

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/child_process.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

class LiteProcess {
 public:
  // `program` is milvus-lite, or a path of it. Waits until the server listens.
  static Result<std::unique_ptr<LiteProcess>> Start(const Context& context, const std::filesystem::path& folder,
                                                    const std::string& program = "milvus-lite");
  // On a folder that another program has made, and writes nothing of ours into it.
  static Result<std::unique_ptr<LiteProcess>> StartOn(const Context& context, const std::filesystem::path& data,
                                                      const std::filesystem::path& log, const std::string& program);
  const std::string& uri() const { return uri_; }  // "http://127.0.0.1:PORT"
  bool running() { return process_->running(); }
  void Kill() { process_->Kill(); }

 private:
  LiteProcess(std::unique_ptr<ChildProcess> process, std::string uri)
      : process_(std::move(process)), uri_(std::move(uri)) {}
  const std::unique_ptr<ChildProcess> process_;
  const std::string uri_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_LITE_PROCESS_H_
