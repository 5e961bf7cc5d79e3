// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "base/str_cat.h"
#include "wire/http_client.h"
#include "wire/retry.h"

extern char** environ;

namespace ragtime {
namespace {

// Python and its libraries take seconds to load on a busy machine.
constexpr auto kStartMax = std::chrono::seconds(90);
constexpr auto kStopMax = std::chrono::seconds(10);

// A port that is free now; Chroma cannot be asked to choose one itself.
int FreePort() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  int port = 0;
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  ::close(listener);
  return port;
}

Result<pid_t> Spawn(const std::filesystem::path& folder, const std::string& command, int port) {
  const std::string log = (folder / "chroma.log").string();
  std::array<std::string, 8> words = {command,  "run",       "--path", folder.string(),
                                      "--host", "127.0.0.1", "--port", std::to_string(port)};
  std::array<char*, 9> arguments{};
  for (size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, command.c_str(), &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error == ENOENT) {
    return FailedPreconditionError(StrCat("the program ", command, " is not installed, which serves ", folder.string()),
                                   "run pip install chromadb, or set store_conf.kwargs.uri to the address of a server");
  }
  if (error != 0) return ErrnoError(error, StrCat("starting ", command));
  return process;
}

}  // namespace

Result<std::unique_ptr<ChromaProcess>> ChromaProcess::Start(const Context& context, const std::filesystem::path& folder,
                                                            const std::string& command) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), StrCat("making the folder ", folder.string()));
  // Two servers on one folder would write over each other.
  Result<WriterLock> lock = WriterLock::Take(folder / "ragtime.lock", 0);
  if (!lock.ok()) {
    return FailedPreconditionError(
        lock.status().message(), "start chroma run yourself and give its address as uri to use it from two processes");
  }
  const int port = FreePort();
  RAGTIME_ASSIGN_OR_RETURN(const pid_t process, Spawn(folder, command, port));
  std::unique_ptr<ChromaProcess> server(
      new ChromaProcess(*std::move(lock), process, StrCat("http://127.0.0.1:", port)));
  HttpClient client;
  const auto deadline = std::chrono::steady_clock::now() + kStartMax;
  for (;;) {
    HttpRequest request{.url = server->url_ + "/api/v2/heartbeat", .total_timeout_ms = 2000};
    const auto answer = client.Send(context, request);
    if (answer.ok() && answer->code == 200) return server;
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, 50));
    siginfo_t ended{};
    const bool has_ended = ::waitid(P_PID, static_cast<id_t>(process), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                           ended.si_pid == process;
    if (has_ended || std::chrono::steady_clock::now() >= deadline) {
      return UnavailableError(
          StrCat("chroma run ", has_ended ? "ended at once" : "does not answer", " on ", folder.string()),
          StrCat("read ", (folder / "chroma.log").string()));
    }
  }
}

ChromaProcess::~ChromaProcess() {
  ::kill(process_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + kStopMax;
  while (::waitpid(process_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace ragtime
