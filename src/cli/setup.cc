// SPDX-License-Identifier: Apache-2.0
//
// `ragtime init` and `ragtime doctor`: a configuration to start from, and what this machine has.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/options.h"
#include "ragtime/doctor.h"
#include "wire/schema.h"

namespace ragtime::cli {

int RunInit(const Options& options) {
  if (options.reference) {
    std::fputs(ConfigReference().c_str(), stdout);
    return 0;
  }
  std::filesystem::path path(options.init_path);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) path /= "ragtime.yaml";
  if (std::filesystem::exists(path, error) && !options.force) {
    return Fail(options, AlreadyExistsError(path.string() + " exists already", "add --force to overwrite it"));
  }
  std::ofstream file(path);
  file << ConfigTemplate();
  file.close();
  if (!file)
    return Fail(options, UnavailableError(path.string() + " cannot be written", "check the folder and its rights"));
  std::fprintf(stderr, "wrote %s\n", path.string().c_str());
  return 0;
}

int RunDoctor(const Options& options) {
  const auto config = ResolveConfig(options);
  if (!config.ok()) return Fail(options, config.status());
  const std::vector<Finding> findings = Examine(*config);
  bool missing = false;
  for (const Finding& finding : findings) missing |= finding.health == Health::kMissing;
  if (options.json) {
    std::printf("%s\n", DoctorJson(findings).Dump().c_str());
    return missing ? 1 : 0;
  }
  std::string area;
  for (const Finding& finding : findings) {
    if (finding.area != area) std::printf("%s\n", finding.area.c_str());
    area = finding.area;
    const char* mark = finding.health == Health::kGood      ? "ok     "
                       : finding.health == Health::kLimited ? "limited"
                                                            : "missing";
    std::printf("  %s  %s: %s\n", mark, finding.name.c_str(), finding.detail.c_str());
    if (!finding.remedy.empty()) std::printf("           remedy: %s\n", finding.remedy.c_str());
  }
  return missing ? 1 : 0;
}

}  // namespace ragtime::cli
