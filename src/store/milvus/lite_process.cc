// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/lite_process.h"

#include <system_error>

#include "base/files.h"
#include "base/str_cat.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

constexpr char kInstall[] =
    "install it (pip install milvus-lite), or give the uri of a running server, e.g. http://127.0.0.1:19530";
constexpr int kStartMs = 60000;
constexpr int kPauseMs = 20;
constexpr size_t kLogBytes = 600;

std::string EndOf(const std::filesystem::path& log) {
  const Result<std::string> text = ReadFile(log);
  if (!text.ok()) return "it printed nothing";
  return text->size() > kLogBytes ? text->substr(text->size() - kLogBytes) : *text;
}

}  // namespace

Result<std::unique_ptr<LiteProcess>> LiteProcess::Start(const Context& context, const std::filesystem::path& folder,
                                                        const std::string& program) {
  RAGTIME_RETURN_IF_ERROR(FindProgram(program, kInstall).status());
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), StrCat("making the folder ", folder.string()));
  return StartOn(context, folder / "data", folder / "server.log", program);
}

Result<std::unique_ptr<LiteProcess>> LiteProcess::StartOn(const Context& context, const std::filesystem::path& data,
                                                          const std::filesystem::path& log,
                                                          const std::string& program) {
  RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path path, FindProgram(program, kInstall));
  RAGTIME_ASSIGN_OR_RETURN(const int port, FreePort());
  RAGTIME_ASSIGN_OR_RETURN(auto process, ChildProcess::Start({path.string(), "server", "--data-dir", data.string(),
                                                              "--host", "127.0.0.1", "--port", StrCat(port)},
                                                             log));
  for (int waited = 0; !PortAnswers(port); waited += kPauseMs) {
    if (!process->running() || waited > kStartMs) {
      return UnavailableError(StrCat("Milvus Lite does not start on ", data.string(), ": ", EndOf(log)),
                              StrCat("another process may have the folder open; see ", log.string()));
    }
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, kPauseMs));
  }
  return std::unique_ptr<LiteProcess>(new LiteProcess(std::move(process), StrCat("http://127.0.0.1:", port)));
}

}  // namespace ragtime
