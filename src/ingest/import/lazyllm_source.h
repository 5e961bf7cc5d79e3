// SPDX-License-Identifier: Apache-2.0
//
// LazyLlmSource joins what LazyLLM keeps apart: texts and metadata of nodes in an SQLite file, their vectors elsewhere.
#ifndef RAGTIME_INGEST_IMPORT_LAZYLLM_SOURCE_H_
#define RAGTIME_INGEST_IMPORT_LAZYLLM_SOURCE_H_

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "catalog/connection.h"
#include "ingest/import/import_source.h"

namespace ragtime {

// The texts of one node group, as LazyLLM 0.6 to 1.4 write them.
class LazyLlmSegments {
 public:
  // `group` "": the only one that is neither the whole documents (lazyllm_root) nor images. kInvalidArgument names
  // those that there are.
  static Result<std::unique_ptr<LazyLlmSegments>> Open(const std::filesystem::path& file, const std::string& group);

  const std::string& collection() const { return collection_; }  // "col_GROUP"
  // Fills all but id and vector; false where there is no such node.
  Result<bool> Fill(ImportedNode& node);
  // The ids of at most `limit` nodes behind that one, in order.
  Result<std::vector<std::string>> IdsBehind(const std::string& id, size_t limit);

 private:
  LazyLlmSegments(std::unique_ptr<Connection> connection, std::string collection);

  const std::unique_ptr<Connection> connection_;
  const std::string collection_;
  const std::string select_;
  const std::string ids_;
};

class LazyLlmSource : public ImportSource {
 public:
  // `vectors` gives the ids and vectors of that group; null: LazyLLM keeps none, as its store map does.
  LazyLlmSource(std::unique_ptr<LazyLlmSegments> segments, std::unique_ptr<ImportSource> vectors)
      : segments_(std::move(segments)), vectors_(std::move(vectors)) {}
  bool keeps_vectors() const override { return vectors_ != nullptr; }
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override;

 private:
  Result<std::vector<ImportedNode>> NextOfSegments(size_t limit);

  const std::unique_ptr<LazyLlmSegments> segments_;
  const std::unique_ptr<ImportSource> vectors_;
  std::string last_;  // Without vectors: the id of the last node.
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_LAZYLLM_SOURCE_H_
