// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_process.h"

#include <chrono>
#include <system_error>
#include <utility>

#include "base/str_cat.h"
#include "wire/http_client.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

// Python and its libraries take seconds to load on a busy machine.
constexpr auto kStartMax = std::chrono::seconds(90);

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
  const Result<std::filesystem::path> program =
      FindProgram(command, "run pip install chromadb, or set store_conf.kwargs.uri to the address of a server");
  if (!program.ok()) {
    return FailedPreconditionError(StrCat(program.status().message(), ", which serves ", folder.string()),
                                   program.status().remedy());
  }
  RAGTIME_ASSIGN_OR_RETURN(const int port, FreePort());  // Chroma cannot be asked to choose one itself.
  RAGTIME_ASSIGN_OR_RETURN(auto process, ChildProcess::Start({program->string(), "run", "--path", folder.string(),
                                                              "--host", "127.0.0.1", "--port", StrCat(port)},
                                                             folder / "chroma.log"));
  ChildProcess& started = *process;
  std::unique_ptr<ChromaProcess> server(
      new ChromaProcess(*std::move(lock), std::move(process), StrCat("http://127.0.0.1:", port)));
  HttpClient client;
  const auto deadline = std::chrono::steady_clock::now() + kStartMax;
  for (;;) {
    HttpRequest request{.url = server->url_ + "/api/v2/heartbeat", .total_timeout_ms = 2000};
    const auto answer = client.Send(context, request);
    if (answer.ok() && answer->code == 200) return server;
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, 50));
    const bool has_ended = !started.running();
    if (has_ended || std::chrono::steady_clock::now() >= deadline) {
      return UnavailableError(
          StrCat("chroma run ", has_ended ? "ended at once" : "does not answer", " on ", folder.string()),
          StrCat("read ", (folder / "chroma.log").string()));
    }
  }
}

}  // namespace ragtime
