// SPDX-License-Identifier: Apache-2.0
#include "testing/cache_servers.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <stdexcept>

#include "base/child_process.h"
#include "base/str_cat.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

// A free port may be taken by another test before the server has it: then another one is tried.
std::unique_ptr<ServerProcess> StartServer(const std::function<std::vector<std::string>(int)>& arguments, int& port) {
  std::string log;
  const int attempts = port == 0 ? 5 : 1;
  for (int i = 0; i < attempts; ++i) {
    const int tried = port == 0 ? Value(FreePort()) : port;
    auto process = std::make_unique<ServerProcess>(arguments(tried));
    if (process->WaitUntil([tried] { return PortAnswers(tried); }) && process->running()) {
      port = tried;
      return process;
    }
    log = process->log();
  }
  throw std::runtime_error(StrCat(arguments(0)[0], " did not start; is it installed? tools/setup.sh --dev\n", log));
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> more, int port) : port_(port) {
  process_ = StartServer(
      [&more](int tried) {
        std::vector<std::string> arguments = {"redis-server", "--bind", "127.0.0.1",   "--save", "",
                                              "--appendonly", "no",     "--daemonize", "no"};
        const bool tls = std::find(more.begin(), more.end(), "--tls-cert-file") != more.end();
        if (tls) {
          arguments.insert(arguments.end(), {"--port", "0", "--tls-port", StrCat(tried)});
        } else {
          arguments.insert(arguments.end(), {"--port", StrCat(tried)});
        }
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
      },
      port_);
}

std::string RedisServer::uri() const { return StrCat("redis://127.0.0.1:", port_); }

MemcachedServer::MemcachedServer(std::vector<std::string> more, int port) : port_(port) {
  process_ = StartServer(
      [&more](int tried) {
        std::vector<std::string> arguments = {"memcached", "-l",  "127.0.0.1", "-p", StrCat(tried), "-U", "0",
                                              "-m",        "256", "-t",        "2"};
        if (::geteuid() == 0) arguments.insert(arguments.end(), {"-u", "nobody"});  // It refuses root.
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
      },
      port_);
}

std::string MemcachedServer::uri() const { return StrCat("memcached://127.0.0.1:", port_); }

TestCertificates::TestCertificates() {
  const std::string command =
      StrCat(RAGTIME_SOURCE_DIR "/tests/testing/make_certificates.sh '", folder_.path().string(), "'");
  if (std::system(command.c_str()) != 0) {
    throw std::runtime_error("openssl made no certificates; is it installed? tools/setup.sh --dev");
  }
}

}  // namespace ragtime
