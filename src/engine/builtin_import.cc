// SPDX-License-Identifier: Apache-2.0
//
// From an address to the collection of another program.
#include "engine/builtin.h"

#include <filesystem>
#include <utility>

#include "base/environment.h"
#include "base/str_cat.h"
#include "engine/embedders.h"
#include "engine/store_address.h"
#include "ingest/import/chroma_source.h"
#include "ingest/import/lazyllm_source.h"
#include "ingest/import/lazyllm_stores.h"
#include "ingest/import/llamaindex_source.h"
#include "ingest/import/milvus_source.h"
#include "store/chroma/chroma_process.h"
#include "store/milvus/milvus.h"

namespace ragtime {
namespace {

std::string Mapped(const std::map<std::string, std::string>& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

Result<std::unique_ptr<ImportSource>> OpenChromaSource(const Context& context, const std::string& uri) {
  RAGTIME_ASSIGN_OR_RETURN(auto source, ChromaSource::Open(context, uri, EnvironmentVariable("CHROMA_TOKEN")));
  return std::unique_ptr<ImportSource>(std::move(source));
}

Result<std::unique_ptr<ImportSource>> OpenMilvusSource(const Context& context, std::string_view uri,
                                                       const std::map<std::string, std::string>& map) {
  RAGTIME_ASSIGN_OR_RETURN(CollectionAddress address, ParseMilvusAddress(uri));
  RAGTIME_ASSIGN_OR_RETURN(auto reader, ReadMilvus(context,
                                                   {.uri = address.server,
                                                    .db_name = address.parameters["db_name"],
                                                    .token = EnvironmentVariable("MILVUS_TOKEN")},
                                                   {.name = address.collection, .vector = Mapped(map, "vector")}));
  return std::unique_ptr<ImportSource>(std::make_unique<MilvusSource>(std::move(reader), Mapped(map, "id")));
}

// A source whose server is ours and ends with it.
class ServedSource final : public ImportSource {
 public:
  ServedSource(std::unique_ptr<ChromaProcess> server, std::unique_ptr<ImportSource> source)
      : server_(std::move(server)), source_(std::move(source)) {}
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override {
    return source_->Next(context, limit);
  }

 private:
  const std::unique_ptr<ChromaProcess> server_;
  const std::unique_ptr<ImportSource> source_;
};

Result<std::unique_ptr<ImportSource>> OpenLazyLlmSource(const Context& context, std::string_view conf,
                                                        const std::map<std::string, std::string>& map) {
  RAGTIME_ASSIGN_OR_RETURN(const LazyLlmStores stores, ParseLazyLlmStores(conf));
  RAGTIME_ASSIGN_OR_RETURN(auto segments, LazyLlmSegments::Open(stores.segments, Mapped(map, "group")));
  const std::string& collection = segments->collection();
  const std::string embedding = Mapped(map, "vector");
  std::unique_ptr<ImportSource> vectors;
  if (stores.vector_type == "milvus") {
    RAGTIME_ASSIGN_OR_RETURN(
        auto reader,
        ReadMilvus(context,
                   {.uri = stores.vector_uri, .db_name = stores.db_name, .token = EnvironmentVariable("MILVUS_TOKEN")},
                   {.name = collection, .vector = embedding.empty() ? "" : StrCat("embedding_", embedding)}));
    vectors = std::make_unique<MilvusSource>(std::move(reader));
  } else if (stores.vector_type == "chroma") {
    // LazyLLM has a collection of Chroma for each group and embedding.
    const std::string name = StrCat(collection, "_", embedding.empty() ? kLazyLlmDefault : embedding, "_embed");
    if (stores.vector_uri.find("://") != std::string::npos) {
      RAGTIME_ASSIGN_OR_RETURN(vectors, OpenChromaSource(context, StrCat(stores.vector_uri, "/", name)));
    } else {
      std::error_code error;
      if (!std::filesystem::is_directory(stores.vector_uri, error)) {
        return NotFoundError(StrCat("there is no folder of Chroma at ", stores.vector_uri), "check the store_conf");
      }
      RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaProcess::Start(context, stores.vector_uri, "chroma"));
      RAGTIME_ASSIGN_OR_RETURN(auto source, OpenChromaSource(context, StrCat(server->url(), "/", name)));
      vectors = std::make_unique<ServedSource>(std::move(server), std::move(source));
    }
  }
  return std::unique_ptr<ImportSource>(std::make_unique<LazyLlmSource>(std::move(segments), std::move(vectors)));
}

}  // namespace

Result<std::unique_ptr<ImportSource>> MakeImportSource(const Context& context, std::string_view address,
                                                       const std::map<std::string, std::string>& map) {
  const auto [type, uri] = SplitAddress(address);
  const bool known = type == "llamaindex" || type == "chroma" || type == "milvus" || type == "lazyllm";
  if (!known || uri.empty()) {
    return InvalidArgumentError(StrCat("\"", address, "\" is no collection that can be imported"),
                                "write llamaindex:FOLDER, chroma:http://host:port/COLLECTION, "
                                "milvus:http://host:port/COLLECTION or lazyllm:STORE_CONF");
  }
  const auto refuse = [&](const char* key) {
    return InvalidArgumentError(StrCat("--map ", key, "=", map.at(key), " means nothing to ", type), "leave it out");
  };
  if (map.contains("vector") && type != "milvus" && type != "lazyllm") return refuse("vector");
  if (map.contains("id") && type != "milvus") return refuse("id");
  if (map.contains("group") && type != "lazyllm") return refuse("group");
  if (type == "llamaindex") {
    RAGTIME_ASSIGN_OR_RETURN(auto source, LlamaIndexSource::Open(uri));
    return std::unique_ptr<ImportSource>(std::move(source));
  }
  if (type == "chroma") return OpenChromaSource(context, std::string(uri));
  if (type == "milvus") return OpenMilvusSource(context, uri, map);
  return OpenLazyLlmSource(context, uri, map);
}

}  // namespace ragtime
