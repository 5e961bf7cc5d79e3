// SPDX-License-Identifier: Apache-2.0
//
// LazyLlmStores is what a store_conf of LazyLLM's Document says: where it keeps the texts of nodes (segments), and
// where their vectors.
//
// Errors: kInvalidArgument names the key; kUnimplemented the kind of store that is not read.
#ifndef RAGTIME_INGEST_IMPORT_LAZYLLM_STORES_H_
#define RAGTIME_INGEST_IMPORT_LAZYLLM_STORES_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

struct LazyLlmStores {
  std::filesystem::path segments;  // An SQLite file: of its stores map and sqlite.
  std::string vector_type;         // "milvus", "chroma", or "": it keeps none.
  std::string vector_uri;          // A path or an address.
  std::string db_name;             // Of a Milvus server.
};

// `conf` is a YAML or JSON file, or such a text itself; a Python literal of plain values is one too. It may be the
// whole of a configuration, with the key store_conf. Relative paths are looked for beside the file, then in this
// folder.
Result<LazyLlmStores> ParseLazyLlmStores(std::string_view conf);

// The name that LazyLLM gives the collection or table of a node group.
std::string LazyLlmCollection(std::string_view group);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_LAZYLLM_STORES_H_
