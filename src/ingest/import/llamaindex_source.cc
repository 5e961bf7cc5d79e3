// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/llamaindex_source.h"

#include "base/files.h"
#include "base/str_cat.h"
#include "ingest/import/llamaindex_node.h"

namespace ragtime {
namespace {

constexpr char kNodesFile[] = "docstore.json";
constexpr char kVectorsFile[] = "default__vector_store.json";
constexpr uint64_t kFileBytesMax = uint64_t{4} << 30;

Result<Json> ReadJson(const std::filesystem::path& file) {
  Result<std::string> text = ReadFile(file, kFileBytesMax);
  if (!text.ok()) {
    return text.status().WithRemedy("name the folder that index.storage_context.persist() wrote");
  }
  Result<Json> json = Json::Parse(*text, kFileBytesMax);
  if (!json.ok()) return json.status().Annotate(file.string());
  return json;
}

}  // namespace

Result<std::unique_ptr<LlamaIndexSource>> LlamaIndexSource::Open(const std::filesystem::path& folder) {
  RAGTIME_ASSIGN_OR_RETURN(const Json documents, ReadJson(folder / kNodesFile));
  RAGTIME_ASSIGN_OR_RETURN(const Json vectors, ReadJson(folder / kVectorsFile));
  if (!documents["docstore/data"].is_object() || !vectors["embedding_dict"].is_object()) {
    return InvalidArgumentError(
        StrCat(folder.string(), " holds ", documents["docstore/data"].is_object() ? kVectorsFile : kNodesFile,
               " in a layout that is not LlamaIndex's"),
        "persist the index with llama-index-core 0.10 to 0.14 and a SimpleVectorStore");
  }
  std::unique_ptr<LlamaIndexSource> source(new LlamaIndexSource(documents["docstore/data"], vectors["embedding_dict"]));
  for (const auto& [id, vector] : source->vectors_.AsObject()) source->vector_of_.emplace(id, &vector);
  return source;
}

Result<std::vector<ImportedNode>> LlamaIndexSource::Next(const Context& context, size_t limit) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  std::vector<ImportedNode> batch;
  const Json::Object& all = nodes_.AsObject();
  for (; next_ < all.size() && batch.size() < limit; ++next_) {
    const auto& [id, stored] = all[next_];
    // A document as a whole, type 4, has no vector of its own.
    if (stored["__type__"].AsString() == "4") continue;
    const Json& data = stored["__data__"];
    Json parsed;
    if (data.is_string()) {
      RAGTIME_ASSIGN_OR_RETURN(parsed, Json::Parse(data.AsString()));
    }
    const Json& node = data.is_string() ? parsed : data;
    ImportedNode imported = FromLlamaIndexNode(node, "");
    imported.id = id;
    if (const auto vector = vector_of_.find(id); vector != vector_of_.end()) {
      for (const Json& number : vector->second->AsArray()) {
        imported.vector.push_back(static_cast<float>(number.AsDouble()));
      }
    }
    batch.push_back(std::move(imported));
  }
  return batch;
}

}  // namespace ragtime
