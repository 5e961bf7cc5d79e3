// SPDX-License-Identifier: Apache-2.0
//
// WrongUse says what is wrong with the arguments, and which command or option was meant.
#ifndef RAGTIME_CLI_WRONG_USE_H_
#define RAGTIME_CLI_WRONG_USE_H_

#include <CLI/App.hpp>

#include "ragtime/status.h"

namespace ragtime::cli {

// kInvalidArgument, of the error with which `app` refused to parse.
Status WrongUse(const CLI::App& app, const CLI::ParseError& error);

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_WRONG_USE_H_
