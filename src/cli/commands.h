// SPDX-License-Identifier: Apache-2.0
//
// The subcommands: how each is spelled, which options it takes, and what it runs.
#ifndef RAGTIME_CLI_COMMANDS_H_
#define RAGTIME_CLI_COMMANDS_H_

#include <CLI/App.hpp>
#include <variant>

#include "cli/options.h"
#include "ragtime/context.h"

namespace ragtime::cli {

// What a subcommand runs. One that takes a Context ends in order when it is stopped; the others are over in a moment.
using Command = std::variant<int (*)(const Options&), int (*)(const Options&, const Context&)>;

// Adds all of them to `app`. Parsing writes what the arguments say into `options`, and into `chosen` what the
// subcommand runs; both must live as long as `app`.
void AddCommands(CLI::App& app, Options& options, Command& chosen);

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_COMMANDS_H_
