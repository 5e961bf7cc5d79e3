// SPDX-License-Identifier: Apache-2.0
//
// A ChildProcess is a program that serves this process and ends with it, also when this process is killed.
//
// Threads: one at a time. Ownership: the destructor asks the program to end (SIGTERM), waits five seconds, and kills
// it.
#ifndef RAGTIME_BASE_CHILD_PROCESS_H_
#define RAGTIME_BASE_CHILD_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

class ChildProcess {
 public:
  // `arguments` begin with the path of the program. What it prints is appended to `log`.
  static Result<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& arguments,
                                                     const std::filesystem::path& log);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  bool running();
  // Ends it at once, without a chance to finish anything.
  void Kill();

 private:
  ChildProcess(pid_t watcher, int pipe) : watcher_(watcher), pipe_(pipe) {}
  pid_t watcher_;  // A shell that starts the program and ends it when the pipe is closed; 0: it was waited for.
  int pipe_;
};

// The program of that name in the folders of PATH, or `name` itself where it has a slash. kNotFound with `remedy`.
Result<std::filesystem::path> FindProgram(std::string_view name, std::string remedy);
// A port of 127.0.0.1 that nobody listens on at this moment.
Result<int> FreePort();
// Whether somebody listens on a port of 127.0.0.1.
bool PortAnswers(int port);

}  // namespace ragtime

#endif  // RAGTIME_BASE_CHILD_PROCESS_H_
