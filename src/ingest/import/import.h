// SPDX-License-Identifier: Apache-2.0
//
// ImportNodes takes a collection that another program has made into a store, with its vectors and metadata, after it
// has seen that the declared model makes the same vectors.
//
// Threads: runs on the caller's thread. Ownership: borrows all. Errors: kFailedPrecondition with the cosine where the
// model is another one; those of the source, the embedder and the store. What was committed stays, and the same import
// goes on from there.
#ifndef RAGTIME_INGEST_IMPORT_IMPORT_H_
#define RAGTIME_INGEST_IMPORT_IMPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ingest/import/import_source.h"
#include "ragtime/embedder.h"
#include "ragtime/field.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/store.h"

namespace ragtime {

struct ImportRequest {
  std::string from;                             // What is imported, for the record: an address.
  std::map<std::string, std::string> map;       // "text", "source", "page" or a field, to the metadata key it is in.
  std::vector<FieldSpec> fields;                // Declared; empty: inferred from the metadata.
  std::map<std::string, std::string> settings;  // To record; "root" is found here.
  int64_t lock_timeout_ms = 5000;
  size_t checked_nodes = 20;
  float cosine_min = 0.99f;
};

Result<ImportReport> ImportNodes(const ImportRequest& request, ImportSource& source, Store& store, Embedder& embedder,
                                 const ImportOptions& options);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_IMPORT_H_
