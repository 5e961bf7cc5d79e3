// SPDX-License-Identifier: Apache-2.0
//
// store_driver commits numbered batches to an embedded store and prints "ack K" after each, to be killed meanwhile:
//   store_driver write KB FIRST LAST   ends with 1 at an error, which it prints
//   store_driver retry KB FIRST LAST   tries a batch that failed once more
//   store_driver background KB FIRST LAST   as write, with merges in the background
//   store_driver read KB               checks snapshots until it is killed; ends with 1 at a contradiction
//   store_driver upgrade KB            takes the catalog through steps that are for tests; notes KB prints what they
//   did store_driver count KB              prints the number of nodes, then tries to write and prints the code of the
//   answer
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "catalog/upgrade.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "simulation/numbered_batches.h"
#include "store/embedded/embedded_store.h"
#include "testing/store_consistency.h"

namespace ragtime {
namespace {

int Fail(const Status& status) {
  std::cout << "error " << status.ToString() << std::endl;
  return 1;
}

IndexSet Indexes() {
  return {.vector = std::make_shared<FlatIndexType>(),
          .keyword = std::make_shared<Bm25IndexType>(),
          .fields = std::make_shared<ColumnsType>()};
}

int Write(const std::string& kb, int first, int last, bool retry, bool background) {
  EmbeddedLimits limits = SimulationLimits();
  limits.background = background;
  auto store = EmbeddedStore::Open({.uri = kb}, Indexes(), true, limits);
  if (!store.ok() && retry) store = EmbeddedStore::Open({.uri = kb}, Indexes(), true, limits);
  if (!store.ok()) return Fail(store.status());
  Status begun = (*store)->BeginWrite(5000);
  if (!begun.ok() && retry) begun = (*store)->BeginWrite(5000);
  if (!begun.ok()) return Fail(begun);
  for (int k = first; k <= last; ++k) {
    auto result = (*store)->Commit({}, NumberedBatch(k));
    if (!result.ok() && retry) result = (*store)->Commit({}, NumberedBatch(k));
    if (!result.ok()) return Fail(result.status());
    std::cout << "ack " << k << std::endl;
    if (!SealsAfter(k)) continue;
    Status sealed = (*store)->Seal({});
    if (!sealed.ok() && retry) sealed = (*store)->Seal({});
    if (!sealed.ok()) return Fail(sealed);
  }
  return 0;
}

int Count(const std::string& kb) {
  const auto store = EmbeddedStore::Open({.uri = kb}, Indexes(), false, SimulationLimits());
  if (!store.ok()) return Fail(store.status());
  const auto snapshot = (*store)->OpenSnapshot();
  if (!snapshot.ok()) return Fail(snapshot.status());
  const auto statistics = (*snapshot)->Statistics();
  if (!statistics.ok()) return Fail(statistics.status());
  std::cout << statistics->nodes << " " << StatusCodeName((*store)->BeginWrite(0).code()) << std::endl;
  return 0;
}

int Read(const std::string& kb) {
  const auto store = EmbeddedStore::Open({.uri = kb}, Indexes(), false, SimulationLimits());
  if (!store.ok()) return Fail(store.status());
  for (Random random(1);;) {
    const auto snapshot = (*store)->OpenSnapshot();
    if (!snapshot.ok()) return Fail(snapshot.status());
    const Status status = CheckConsistent(**snapshot, random, kSimulationDimension);
    if (!status.ok()) return Fail(status);
  }
}

// Steps of no released format: each changes every row of the files.
std::vector<UpgradeStep> TestSteps() {
  std::vector<UpgradeStep> steps;
  for (const char* sql :
       {"ALTER TABLE files ADD COLUMN note TEXT NOT NULL DEFAULT ''", "UPDATE files SET note = note || 'b'",
        "UPDATE files SET note = note || 'c'; CREATE INDEX files_by_note ON files(note)"}) {
    steps.push_back({.what = "tests", .run = [sql](Connection& connection) { return connection.Execute(sql); }});
  }
  return steps;
}

int Upgrade(const std::string& kb) {
  const Status status = UpgradeCatalog(kb + "/catalog.sqlite", TestSteps());
  return status.ok() ? 0 : Fail(status);
}

// The notes that the steps left, in one line.
int Notes(const std::string& kb) {
  const auto connection = Connection::Open(kb + "/catalog.sqlite", Access::kRead);
  if (!connection.ok()) return Fail(connection.status());
  Query query = (*connection)->Prepare("SELECT note, count(*) FROM files GROUP BY note");
  for (;;) {
    const auto row = query.Step();
    if (!row.ok()) return Fail(row.status());
    if (!*row) return 0;
    std::cout << query.Text(0) << ":" << query.Int(1) << std::endl;
  }
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "count" && argc == 3) return Count(argv[2]);
  if (command == "read" && argc == 3) return Read(argv[2]);
  if (command == "upgrade" && argc == 3) return Upgrade(argv[2]);
  if (command == "notes" && argc == 3) return Notes(argv[2]);
  if ((command == "write" || command == "retry" || command == "background") && argc == 5) {
    return Write(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), command == "retry", command == "background");
  }
  std::cerr << "usage: store_driver write|retry|background KB FIRST LAST | read|count|upgrade|notes KB\n";
  return 2;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
