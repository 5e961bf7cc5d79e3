// SPDX-License-Identifier: Apache-2.0
//
// Examine looks at the machine and the configuration: what is there, what is missing, and what to do about it.
//
// Threads: a function without state. Errors: none; what cannot be examined is a finding.
#ifndef RAGTIME_DOCTOR_H_
#define RAGTIME_DOCTOR_H_

#include <string>
#include <vector>

#include "ragtime/config.h"

namespace ragtime {

enum class Health { kGood, kLimited, kMissing };

struct Finding {
  std::string area;  // "cpu", "gpu", "memory", "disk", "model", "server", "cache", "store", "knowledge base"
  std::string name;  // "AVX-512", "multilingual-e5-small", ...
  Health health = Health::kGood;
  std::string detail;  // Measured values, with units.
  std::string remedy;  // "" when good.
};

// Takes about a second: it writes and reads 64 MiB beside the knowledge base to measure the disk, and removes them.
std::vector<Finding> Examine(const Config& config);

}  // namespace ragtime

#endif  // RAGTIME_DOCTOR_H_
