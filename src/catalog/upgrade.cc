// SPDX-License-Identifier: Apache-2.0
#include "catalog/upgrade.h"

#include <array>
#include <charconv>
#include <string_view>

#include "base/str_cat.h"
#include "ragtime/version.h"

namespace ragtime {
namespace {

// A line for each version up to kFormatVersion, never changed once it was released.
const std::array<UpgradeStep, kFormatVersion> kSteps{};

Result<size_t> ReadVersion(Connection& connection, const std::filesystem::path& file) {
  Query query = connection.Prepare("SELECT value FROM settings WHERE key = 'format_version'");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
  const std::string text = row ? query.Text(0) : "";
  size_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error == std::errc() && end == text.data() + text.size()) return version;
  return DataLossError(StrCat("the catalog ", file.string(), " does not say its format version"),
                       "restore the knowledge base from a copy, or ingest the documents into a new one");
}

// True if there is no step left.
Result<bool> TakeStep(Connection& connection, const std::filesystem::path& file, std::span<const UpgradeStep> steps) {
  RAGTIME_ASSIGN_OR_RETURN(const size_t version, ReadVersion(connection, file));
  if (version > steps.size()) {
    return FailedPreconditionError(StrCat("the catalog ", file.string(), " has format ", version, ", and this Ragtime ",
                                          kVersion, " reads formats up to ", steps.size()),
                                   "use a newer Ragtime");
  }
  if (version == steps.size()) return true;
  RAGTIME_RETURN_IF_ERROR(
      steps[version]
          .run(connection)
          .Annotate(StrCat("upgrading ", file.string(), " from format ", version, ", which ", steps[version].what)));
  const std::string next = StrCat(version + 1);
  RAGTIME_RETURN_IF_ERROR(connection.Prepare("UPDATE settings SET value = ? WHERE key = 'format_version'")
                              .Bind(std::string_view(next))
                              .Run());
  return false;
}

}  // namespace

std::span<const UpgradeStep> CatalogSteps() { return kSteps; }

Status UpgradeCatalog(const std::filesystem::path& file, std::span<const UpgradeStep> steps) {
  RAGTIME_ASSIGN_OR_RETURN(const auto connection, Connection::Open(file, Access::kWrite));
  RAGTIME_RETURN_IF_ERROR(connection->Execute("PRAGMA synchronous=FULL"));
  for (;;) {
    RAGTIME_RETURN_IF_ERROR(connection->Execute("BEGIN IMMEDIATE"));
    const Result<bool> done = TakeStep(*connection, file, steps);
    const Status ended = done.ok() && !*done ? connection->Execute("COMMIT") : Status();
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (connection->in_transaction()) (void)connection->Execute("ROLLBACK");
    if (!done.ok()) return done.status();
    RAGTIME_RETURN_IF_ERROR(ended);
    if (*done) return Status();
  }
}

}  // namespace ragtime
