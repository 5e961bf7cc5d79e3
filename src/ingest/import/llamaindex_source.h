// SPDX-License-Identifier: Apache-2.0
//
// LlamaIndexSource reads a folder that LlamaIndex's StorageContext has persisted: docstore.json and the
// default__vector_store.json of a SimpleVectorStore, as versions 0.10 to 0.14 of llama-index-core write them.
#ifndef RAGTIME_INGEST_IMPORT_LLAMAINDEX_SOURCE_H_
#define RAGTIME_INGEST_IMPORT_LLAMAINDEX_SOURCE_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "ingest/import/import_source.h"

namespace ragtime {

class LlamaIndexSource : public ImportSource {
 public:
  static Result<std::unique_ptr<LlamaIndexSource>> Open(const std::filesystem::path& folder);
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override;

 private:
  LlamaIndexSource(Json nodes, Json vectors) : nodes_(std::move(nodes)), vectors_(std::move(vectors)) {}

  const Json nodes_;    // From id to node.
  const Json vectors_;  // From id to numbers.
  size_t next_ = 0;     // In nodes_.
  std::map<std::string_view, const Json*> vector_of_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_LLAMAINDEX_SOURCE_H_
