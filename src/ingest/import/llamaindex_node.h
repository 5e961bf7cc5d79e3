// SPDX-License-Identifier: Apache-2.0
//
// A node as LlamaIndex serializes it: in its own docstore, and in the metadata of what its vector stores write to
// Chroma, Milvus and others.
//
// Threads: functions without state.
#ifndef RAGTIME_INGEST_IMPORT_LLAMAINDEX_NODE_H_
#define RAGTIME_INGEST_IMPORT_LLAMAINDEX_NODE_H_

#include <string_view>

#include "ingest/import/import_source.h"

namespace ragtime {

// All but id and vector. `text` is that of a node that has none itself.
ImportedNode FromLlamaIndexNode(const Json& node, std::string_view text);

// Of a row whose metadata has "_node_content", the node in there; any other row stays as it is.
void TakeLlamaIndexNode(ImportedNode& row);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_LLAMAINDEX_NODE_H_
