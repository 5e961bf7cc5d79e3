// SPDX-License-Identifier: Apache-2.0
//
// What small writes and deletions cost: store_write FOLDER DATA ROWS SINGLES [mark]
//
// FOLDER is a knowledge base that store_make made of the first ROWS rows of DATA; it is changed. SINGLES documents of
// one node are committed one by one, each asked for right after; then 1 % and 10 % of the documents are erased, each in
// one commit. With `mark`, nodes are only inserted, and a call of access(2) stands before and after each, so that
// strace can count the fsyncs between.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "engine/builtin.h"
#include "store_data.h"

namespace ragtime {
namespace {

Status Insert(const StoreData& data, size_t i, Store& store) {
  WriteBatch batch;
  batch.documents.push_back(data.Document(i, i + 1));
  DocumentWrite& document = batch.documents.back();
  document.file.file_path = document.file.file_name = "new-" + std::to_string(i) + ".txt";
  document.nodes[0].node.text.insert(0, RowWord(data.rows() + i) + " ");
  document.nodes[0].vector.assign(data.query(i).begin(), data.query(i).end());
  return store.Commit(Context{}, std::move(batch)).status();
}

Result<std::vector<Hit>> Search(Store& store, std::span<const float> vector,
                                std::shared_ptr<const Snapshot>& snapshot) {
  RAGTIME_ASSIGN_OR_RETURN(snapshot, store.OpenSnapshot());
  return snapshot->SearchVector(Context{}, {.vector = vector, .limit = 10, .group = ""});
}

void Append(double value, std::string& list) {
  if (!list.empty()) list += ", ";
  list += std::to_string(value);
}

Status Singles(const StoreData& data, size_t count, bool mark, Store& store) {
  std::string inserted;
  std::string found;
  for (size_t i = 0; i < count; ++i) {
    const std::string sign = "/bench-mark-" + std::to_string(i);
    if (mark) static_cast<void>(::access(sign.c_str(), F_OK));
    const Stopwatch stopwatch;
    RAGTIME_RETURN_IF_ERROR(Insert(data, i, store));
    const double insert_ms = stopwatch.ElapsedMs();
    if (mark) {
      static_cast<void>(::access(sign.c_str(), F_OK));
      continue;
    }
    std::shared_ptr<const Snapshot> snapshot;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> hits, Search(store, data.query(i), snapshot));
    const double found_ms = stopwatch.ElapsedMs();
    RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&hits.at(0).node_id, 1)));
    if (!nodes[0]->text.starts_with(RowWord(data.rows() + i) + " ")) {
      return InternalError("an inserted node was not found", std::to_string(i));
    }
    Append(insert_ms, inserted);
    Append(found_ms, found);
  }
  std::printf("\"insert_one_ms\": [%s], \"insert_one_found_ms\": [%s]", inserted.c_str(), found.c_str());
  return Status();
}

// Erases the documents d with d % step == rest.
Status Delete(const StoreData& data, const char* name, size_t step, size_t rest, Store& store) {
  RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<const Snapshot> snapshot, store.OpenSnapshot());
  WriteBatch batch;
  for (size_t document = rest; document < data.documents(); document += step) {
    const size_t row = document * StoreData::kNodesPerDocument;
    RAGTIME_ASSIGN_OR_RETURN(const auto file, snapshot->FindFile(data.Document(row, row).file.file_path));
    if (file) batch.erased.push_back(file->id);
  }
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(store.Commit(Context{}, std::move(batch)).status());
  const size_t gone = rest * StoreData::kNodesPerDocument;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> hits, Search(store, data.vector(gone), snapshot));
  const double delete_ms = stopwatch.ElapsedMs();
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&hits.at(0).node_id, 1)));
  if (nodes[0]->text == data.text(gone)) return InternalError("a deleted node was found");
  std::printf(", \"delete_%s_ms\": %.3f", name, delete_ms);
  return Status();
}

Status Run(const char* folder, const char* data_folder, size_t rows, size_t singles, bool mark) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(data_folder, rows));
  Config config;
  config.store.uri = folder;
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
  RAGTIME_RETURN_IF_ERROR(store->BeginWrite(0));
  std::shared_ptr<const Snapshot> snapshot;
  RAGTIME_RETURN_IF_ERROR(Search(*store, data.query(0), snapshot).status());
  std::printf("{");
  RAGTIME_RETURN_IF_ERROR(Singles(data, std::min(singles, data.queries()), mark, *store));
  if (!mark) {
    RAGTIME_RETURN_IF_ERROR(Delete(data, "1%", 100, 7, *store));
    RAGTIME_RETURN_IF_ERROR(Delete(data, "10%", 10, 3, *store));
  }
  std::printf("}\n");
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "usage: store_write FOLDER DATA ROWS SINGLES [mark]\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Run(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10),
                                              std::strtoull(argv[4], nullptr, 10), argc == 6);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
