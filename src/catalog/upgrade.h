// SPDX-License-Identifier: Apache-2.0
//
// UpgradeCatalog brings a catalog of an older format to a newer one in place: one step from each version to the next,
// each one transaction, so that a crash leaves the version before or after a step and the next call goes on from there.
//
// Threads: for the holder of the writer's lock. Errors name the step; the catalog stays at the last version reached.
#ifndef RAGTIME_CATALOG_UPGRADE_H_
#define RAGTIME_CATALOG_UPGRADE_H_

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "catalog/connection.h"
#include "ragtime/status.h"

namespace ragtime {

struct UpgradeStep {
  std::string what;                        // "adds the table fields", for messages.
  std::function<Status(Connection&)> run;  // Inside a transaction.
};

// steps[i] leads from version i to i + 1. A catalog of a version above steps.size() is kFailedPrecondition.
Status UpgradeCatalog(const std::filesystem::path& file, std::span<const UpgradeStep> steps);
// Those to kFormatVersion.
std::span<const UpgradeStep> CatalogSteps();

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_UPGRADE_H_
