// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/str_cat.h"

extern char** environ;

namespace ragtime {
namespace {

// Its standard input is our pipe, which is closed when this process ends, however it does.
constexpr char kWatch[] =
    "exec 3<&0; \"$@\" </dev/null 3<&- & child=$!; (read -r _ <&3; kill \"$child\") 2>/dev/null & wait \"$child\"";
constexpr std::chrono::seconds kPatience{5};

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                          const std::filesystem::path& log) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "making a pipe");
  std::vector<std::string> words = {"/bin/sh", "-c", kWatch, "sh"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own: Ctrl-C is for us, and we end it when our work is done.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t watcher = 0;
  const int error = posix_spawn(&watcher, "/bin/sh", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[0]);
  if (error != 0) {
    ::close(ends[1]);
    return ErrnoError(error, StrCat("starting ", arguments.front()));
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(watcher, ends[1]));
}

bool ChildProcess::running() {
  if (watcher_ == 0) return false;
  const pid_t ended = ::waitpid(watcher_, nullptr, WNOHANG);
  if (ended == 0) return true;
  // The group may outlive its first process.
  ::kill(-watcher_, SIGKILL);
  watcher_ = 0;
  return false;
}

void ChildProcess::Kill() {
  if (watcher_ == 0) return;
  ::kill(-watcher_, SIGKILL);
  ::waitpid(watcher_, nullptr, 0);
  watcher_ = 0;
}

ChildProcess::~ChildProcess() {
  ::close(pipe_);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (running()) {
    if (std::chrono::steady_clock::now() > end) Kill();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<std::filesystem::path> FindProgram(std::string_view name, std::string remedy) {
  if (name.find('/') != std::string_view::npos) {
    if (::access(std::string(name).c_str(), X_OK) == 0) return std::filesystem::path(name);
    return NotFoundError(StrCat("there is no program ", name), std::move(remedy));
  }
  const char* value = std::getenv("PATH");
  std::string_view rest = value == nullptr ? "/usr/bin:/bin" : value;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::filesystem::path path = std::filesystem::path(rest.substr(0, colon)) / name;
    if (path.is_absolute() && ::access(path.c_str(), X_OK) == 0) return path;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return NotFoundError(StrCat("the program ", name, " is not installed"), std::move(remedy));
}

Result<int> FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ErrnoError(errno, "making a socket");
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int error = errno;
  ::close(fd);
  if (!bound) return ErrnoError(error, "looking for a free port");
  return ntohs(address.sin_port);
}

bool PortAnswers(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const sockaddr_in address = Loopback(port);
  const bool answers = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return answers;
}

}  // namespace ragtime
