// SPDX-License-Identifier: Apache-2.0
//
// ServerProcess runs a real server for a test: on 127.0.0.1, with its data in a folder that goes away, stopped at the
// end whatever happens. A test whose server is missing fails.
//
// Threads: one at a time. Ownership: the destructor kills the process; so does the death of the test.
#ifndef RAGTIME_TESTS_TESTING_SERVER_PROCESS_H_
#define RAGTIME_TESTS_TESTING_SERVER_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "testing/store_testing.h"

namespace ragtime {

class ServerProcess {
 public:
  // Starts `arguments`, whose first is the program; what it prints goes to server.log in its folder.
  explicit ServerProcess(std::vector<std::string> arguments);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  // Waits until `ready` is true; false after 20 s, or when the process has ended.
  bool WaitUntil(const std::function<bool()>& ready);
  void Kill();      // SIGKILL, and waits for its end.
  void Stall();     // SIGSTOP
  void Continue();  // SIGCONT
  bool running();
  std::string log() const;

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_SERVER_PROCESS_H_
