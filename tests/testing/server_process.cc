// SPDX-License-Identifier: Apache-2.0
#include "testing/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

namespace ragtime {
ServerProcess::ServerProcess(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string folder = folder_.path().string();
  const std::string log = folder + "/server.log";
  // An unprivileged server must be able to write into it.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  if (::chdir(folder.c_str()) == 0) ::execvp(argv[0], argv.data());
  ::_exit(127);
}

ServerProcess::~ServerProcess() { Kill(); }

bool ServerProcess::running() {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

bool ServerProcess::WaitUntil(const std::function<bool()>& ready) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    if (!running()) return false;
    if (ready()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void ServerProcess::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ServerProcess::Stall() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, nullptr, WUNTRACED);  // Its threads run on for a moment, long enough for an answer.
}

void ServerProcess::Continue() {
  if (pid_ > 0) ::kill(pid_, SIGCONT);
}

std::string ServerProcess::log() const {
  std::ifstream file(folder_.path() / "server.log");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ragtime
