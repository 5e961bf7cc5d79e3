// SPDX-License-Identifier: Apache-2.0
//
// From the names in a configuration to the backends that are built in; no other files than builtin*.cc name them.
#ifndef RAGTIME_ENGINE_BUILTIN_H_
#define RAGTIME_ENGINE_BUILTIN_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cache/guard.h"
#include "ingest/import/import_source.h"
#include "ragtime/cache.h"
#include "ragtime/config.h"
#include "ragtime/embedder.h"
#include "ragtime/generator.h"
#include "ragtime/reranker.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// Reads the model's description only; weights are opened when the first text is embedded. A server is asked for one
// vector, unless config.embed.fingerprint is of it. kFailedPrecondition where that is of another kind of model.
Result<std::unique_ptr<Embedder>> MakeEmbedder(const Config& config);
// OK where texts are embedded in batches by OpenVINO; else why not. Slow: it loads OpenVINO.
Status ProbeBatchEncoder(const Config& config);

// The folder of a knowledge base of type ragtime; empty for other stores, whose folders are theirs.
std::filesystem::path FolderOf(const Config& config);

// Null where the configuration names none (api: none). kNotFound where the model is missing.
Result<std::unique_ptr<Generator>> MakeGenerator(const Config& config);
// Null where the configuration wants none. Reaches for no server.
Result<std::unique_ptr<Reranker>> MakeReranker(const Config& config);
// Whether a server that speaks OpenAI's protocol answers at all.
Status ProbeServer(const std::string& base_url);

// The caches of a configuration; all null where it wants none.
struct Caches {
  std::shared_ptr<Cache> results;  // What names its content: memory before the server where there is one.
  std::shared_ptr<Cache> shared;   // What changes under its key, conversations: the server, or memory.
  std::shared_ptr<Guard> guard;    // Of the server; null: there is none.
};
// Connects to nothing. kInvalidArgument where the keys contradict each other.
Result<Caches> MakeCaches(const Config& config);
// Whether the server of the cache answers; OK where there is none.
Status ProbeCache(const Config& config);

// kNotFound if there is no knowledge base at config.store.uri and `create` is false.
Result<std::unique_ptr<Store>> MakeStore(const Config& config, bool create);
// What is found at the server of a store of type chroma or milvus, without making anything there.
struct StoreProbe {
  std::string server;   // "milvus http://127.0.0.1:19530"; "": the store is on no server.
  std::string version;  // As it says itself.
  double answer_ms = 0;
  Status knowledge_base;  // kNotFound where the configured one is not there yet.
  StoreStatistics statistics;
};
// Errors: why the server cannot be asked.
Result<StoreProbe> ProbeStore(const Context& context, const Config& config);
// "llamaindex:FOLDER", "chroma:http://host:port/COLLECTION", "milvus:URI/COLLECTION", "lazyllm:STORE_CONF": a
// collection that another program has made. Of `map`, vector, id and group are for the source; kInvalidArgument where
// it has no such thing.
Result<std::unique_ptr<ImportSource>> MakeImportSource(const Context& context, std::string_view address,
                                                       const std::map<std::string, std::string>& map);
// Makes config.store.uri out of a backup.
Result<StoreStatistics> RestoreStore(const Config& config, const std::filesystem::path& backup, const Context& context);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_BUILTIN_H_
