// SPDX-License-Identifier: Apache-2.0
//
// A module is a library of ours that is not linked but loaded at its first use, because what it is linked to costs
// every start tens of milliseconds: OpenVINO, gRPC.
//
// Threads: may be called from any. Ownership: a module is never closed, since its threads may outlive their last user.
#ifndef RAGTIME_BASE_MODULE_H_
#define RAGTIME_BASE_MODULE_H_

#include <filesystem>
#include <string>

#include "ragtime/status.h"

namespace ragtime {

// The symbol of the module `file`, looked for in lib/ragtime beside the program and the library that this code is part
// of, beside them, and last at `built`. kUnavailable says what was tried.
Result<void*> LoadModuleSymbol(const std::string& file, const char* symbol, const std::filesystem::path& built);

}  // namespace ragtime

#endif  // RAGTIME_BASE_MODULE_H_
