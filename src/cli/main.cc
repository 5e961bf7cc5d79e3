// SPDX-License-Identifier: Apache-2.0
//
// The command line: reads the arguments, turns Ctrl-C into a cancelled request, and calls one command.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <variant>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/wrong_use.h"
#include "ragtime/version.h"

namespace ragtime::cli {
namespace {

// Ctrl-C ends the work in order: what was committed stays, nothing more is written. A second Ctrl-C ends at once.
class InterruptWatch {
 public:
  InterruptWatch() {
    sigset_t signals = Signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Inherited by every thread made from here on.
    std::thread([source = source_]() mutable {
      sigset_t waited = Signals();
      int signal = 0;
      ::sigwait(&waited, &signal);
      source.request_stop();
      std::fputs("\nragtime: stopping; press Ctrl-C again to stop at once\n", stderr);
      ::sigwait(&waited, &signal);
      ::_exit(130);
    }).detach();
  }
  Context context() const { return Context{.stop = source_.get_token()}; }

 private:
  static sigset_t Signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    return signals;
  }
  std::stop_source source_;
};

int Main(int argc, char** argv) {
  Options options;
  Command command;
  CLI::App app{"Ragtime answers questions from your documents, with citations.", "ragtime"};
  app.set_version_flag("--version", std::string("ragtime ") + kVersion);
  app.require_subcommand(1);
  AddCommands(app, options, command);
  // Behind them, which would have it, too.
  app.footer("Example:\n  ragtime ingest ./docs --kb ./kb\n  ragtime ask \"How do I restore a backup?\" --kb ./kb");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 answers 0 for --help and --version; everything else is wrong use.
    if (error.get_exit_code() == 0) return app.exit(error);
    options.json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
    return Fail(options, WrongUse(app, error));
  }
  if (const auto* at_once = std::get_if<int (*)(const Options&)>(&command)) return (*at_once)(options);
  const InterruptWatch watch;
  return std::get<int (*)(const Options&, const Context&)>(command)(options, watch.context());
}

}  // namespace
}  // namespace ragtime::cli

int main(int argc, char** argv) { return ragtime::cli::Main(argc, argv); }
