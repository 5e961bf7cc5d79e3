// SPDX-License-Identifier: Apache-2.0
//
// Makes a knowledge base of generated nodes: store_make FOLDER DATA ROWS MODEL_FOLDER
//
// DATA is what bench/store_generate wrote. The model is recorded, so that `ragtime search` opens the knowledge base.
// Prints how long the commits took and how long the sealing, each node being durable and searchable after its commit.
#include <cstdio>
#include <cstdlib>

#include "base/stopwatch.h"
#include "recorded_store.h"
#include "store_data.h"

namespace ragtime {
namespace {

Status Make(const std::string& folder, const std::string& data_folder, size_t rows, const std::string& model) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(data_folder, rows));
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeRecordedStore(folder, model, FieldSpecs()));
  const Stopwatch commits;
  RAGTIME_RETURN_IF_ERROR(CommitDocuments(data, 0, data.documents(), *store));
  const double commit_ms = commits.ElapsedMs();
  const Stopwatch seal;
  RAGTIME_RETURN_IF_ERROR(store->Seal(Context{}));
  store->EndWrite();
  std::printf("{\"rows\": %zu, \"insert_ms\": %.1f, \"settle_ms\": %.1f}\n", rows, commit_ms, seal.ElapsedMs());
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: store_make FOLDER DATA ROWS MODEL_FOLDER\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Make(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10), argv[4]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
