// SPDX-License-Identifier: Apache-2.0
//
// ConfigurationText is everything in a configuration that can change a result or an answer, in one canonical form: what
// the keys of a cache hold beside the knowledge base and its generation.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_ENGINE_CONFIGURATION_TEXT_H_
#define RAGTIME_ENGINE_CONFIGURATION_TEXT_H_

#include <string>

#include "ragtime/config.h"

namespace ragtime {

// A new key of the configuration that can change a result belongs in here; configuration_text_test.cc asks about each.
std::string ConfigurationText(const Config& config);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_CONFIGURATION_TEXT_H_
