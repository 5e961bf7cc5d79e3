// SPDX-License-Identifier: Apache-2.0
//
// The keys of the store, its indexes, the catalog and the fields of documents.
#include "engine/config_keys.h"

#include <algorithm>
#include <array>

#include "engine/config_values.h"
#include "engine/doc_fields.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

Status SetStoreType(Config& config, const std::string& value, const std::filesystem::path&) {
  if (value != "ragtime" && value != "map" && value != "chroma" && value != "chromadb" && value != "milvus") {
    return WrongValue("store_conf.type", value, "ragtime, map, chroma or milvus");
  }
  if (value == "chromadb") {
    config.store.type = "chroma";
    return Status();
  }
  config.store.type = value;
  return Status();
}

Status SetIndexType(Config& config, const std::string& value, const std::filesystem::path&) {
  static constexpr std::array<std::string_view, 9> kKnown = {"AUTO",   "FLAT", "HNSW",    "IVF_FLAT", "IVF_SQ8",
                                                             "IVF_PQ", "PQ",   "DISKANN", "AUTOINDEX"};
  if (std::find(kKnown.begin(), kKnown.end(), value) == kKnown.end() && !value.starts_with("GPU_")) {
    return InvalidArgumentError(
        StrCat("store_conf.kwargs.index_kwargs.index_type is \"", value, "\", an index that is not known"),
        "write index_type: AUTO, FLAT (exact), HNSW (a graph, for many nodes), DISKANN (a graph on disk, for little "
        "memory), IVF_FLAT, IVF_SQ8, IVF_PQ or PQ; of type milvus also GPU_* or AUTOINDEX");
  }
  config.store.index_type = value;
  return Status();
}

// A YAML map in one line: "{year: int, tags: list}".
Status SetDocFieldsText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.doc_fields, ParseDocFields(yaml));
  return Status();
}

}  // namespace

void AddStoreKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"store_conf.type", "RAGTIME_STORE_TYPE", "ragtime | map | chroma | milvus", "ragtime",
                  "ragtime: embedded, on disk. map: in memory, and saved to a file if uri names one. chroma: a Chroma "
                  "server; see stores/chroma.md.",
                  SetStoreType});
  keys.push_back({"store_conf.kwargs.uri", "RAGTIME_KB", "a folder", "./kb",
                  "The knowledge base; `--kb` on the command line, which needs it where there is no file. Of type map: "
                  "a file NAME.ragmap, or nothing. Of a server: "
                  "http(s)://host:port.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.store.uri = v.find("://") != string::npos ? v : Resolve(v, base).string();
                    return Status();
                  }});
  keys.push_back({"store_conf.kwargs.name", "RAGTIME_STORE_NAME", "letters, digits and _", "ragtime",
                  "The knowledge base on a server that holds several.",
                  Text([](Config& c) -> string& { return c.store_server.name; })});
  keys.push_back({"store_conf.kwargs.tenant", "RAGTIME_STORE_TENANT", "a name", "default_tenant", "Of type chroma.",
                  Text([](Config& c) -> string& { return c.store_server.tenant; })});
  keys.push_back({"store_conf.kwargs.database", "RAGTIME_STORE_DATABASE", "a name", "default_database",
                  "Of type chroma. Made where there is none.",
                  Text([](Config& c) -> string& { return c.store_server.database; })});
  keys.push_back({"store_conf.kwargs.db_name", "RAGTIME_STORE_DB_NAME", "a name", "none",
                  "Of type milvus: the database. None: the server's default one.",
                  Text([](Config& c) -> string& { return c.store_server.db_name; })});
  keys.push_back({"store_conf.kwargs.consistency_level", "RAGTIME_STORE_CONSISTENCY_LEVEL",
                  "Strong | Bounded | Session | Eventually", "Strong",
                  "Of type milvus. With another than Strong a commit may not be seen at once.",
                  Text([](Config& c) -> string& { return c.store_server.consistency_level; })});
  const auto tls = [&keys](const char* name, const char* variable, const char* allowed, const char* help,
                           const std::function<string&(Config&)>& field) {
    keys.push_back({name, variable, allowed, "none", help, Text(field)});
  };
  tls("store_conf.kwargs.tls_ca", "RAGTIME_STORE_TLS_CA", "a PEM file",
      "Of type milvus: who certifies the server of https://; none: whom the system trusts.",
      [](Config& c) -> string& { return c.store_server.tls_ca; });
  tls("store_conf.kwargs.tls_cert", "RAGTIME_STORE_TLS_CERT", "a PEM file",
      "Of type milvus: the certificate that this end shows, with tls_key.",
      [](Config& c) -> string& { return c.store_server.tls_cert; });
  tls("store_conf.kwargs.tls_key", "RAGTIME_STORE_TLS_KEY", "a PEM file", "Of type milvus: the key of tls_cert.",
      [](Config& c) -> string& { return c.store_server.tls_key; });
  tls("store_conf.kwargs.tls_server_name", "RAGTIME_STORE_TLS_SERVER_NAME", "a name",
      "Of type milvus: the name in the server's certificate; none: the host of the uri.",
      [](Config& c) -> string& { return c.store_server.tls_server_name; });
  keys.push_back(
      {"store_conf.kwargs.token_env", "RAGTIME_STORE_TOKEN_ENV", "the name of an environment variable",
       "RAGTIME_STORE_TOKEN",
       "Where the token of a server is read from, of type milvus also user:password. Tokens never stand in the file.",
       Text([](Config& c) -> string& { return c.store_server.token_env; })});
  keys.push_back({"store_conf.kwargs.state", "RAGTIME_STORE_STATE", "a folder", "below the cache folder",
                  "Where the words of a store on a server are kept on this machine. Safe to delete.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.store_server.state = Resolve(v, base);
                    return Status();
                  }});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.index_type", "RAGTIME_INDEX_TYPE",
       "AUTO | FLAT | HNSW | DISKANN | IVF_FLAT | IVF_SQ8 | IVF_PQ | PQ; of type milvus also GPU_* | AUTOINDEX", "AUTO",
       "How the nearest vectors are found. FLAT is exact. HNSW is a graph, faster where there are many. DISKANN is the "
       "same graph read from disk, for vectors that memory does not hold. AUTO "
       "makes HNSW in segments of at least 8192 nodes, FLAT in smaller ones. IVF_* look into the lists that are "
       "nearest to the question, *PQ keep codes of a few bits; both make FLAT in segments that are too small "
       "to learn from: fewer than 39 nodes for each of nlist, or for each value of a code. Another type than before "
       "holds for new segments, and for all after `ragtime compact`.",
       SetIndexType});
  keys.push_back({"store_conf.kwargs.index_kwargs.params.M", "RAGTIME_HNSW_M", "4 to 128", "16",
                  "HNSW, DISKANN: links of a node; twice as many in the lowest level. For new segments.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.M", 4, 128,
                                   [](Config& c) -> uint32_t& { return c.store.hnsw.m; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.efConstruction", "RAGTIME_HNSW_EF_CONSTRUCTION", "4 to 4096", "128",
       "HNSW, DISKANN: how many near nodes are kept while a node is linked. More finds more and takes longer to build. "
       "For new segments.",
       Number<uint32_t>("store_conf.kwargs.index_kwargs.params.efConstruction", 4, 4096,
                        [](Config& c) -> uint32_t& { return c.store.hnsw.ef_construction; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.ef", "RAGTIME_HNSW_EF", "1 to 65536",
       "what fits: 96, in segments of more than 65536 nodes more with their root",
       "HNSW: how many near nodes a search keeps, at least as many as it looks for. More finds more and takes "
       "longer. May differ from search to search; where nothing sets it, `ragtime tune` chooses.",
       Number<uint32_t>("store_conf.kwargs.index_kwargs.params.ef", 1, 65536,
                        [](Config& c) -> uint32_t& { return c.store.hnsw.ef; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.profile", "RAGTIME_HNSW_PROFILE", "compact | fast", "compact",
       "HNSW: what is kept for each node. compact: codes of 4 bits and links, less than a quarter of the vector. fast: "
       "codes of 8 bits and where its links lie, six times as much in all; where nearly all of the best ten must be "
       "found a search takes four fifths of the time. For new segments, and for all after `ragtime compact`.",
       Choice<HnswProfile>("store_conf.kwargs.index_kwargs.params.profile",
                           {{"compact", HnswProfile::kCompact}, {"fast", HnswProfile::kFast}},
                           [](Config& c) -> HnswProfile& { return c.store.hnsw.profile; })});
  // Of the indexes here and of those of a server, which has defaults of its own.
  const auto of_both = [&keys](const char* name, const char* variable, const char* allowed, const char* standard,
                               const char* help, uint32_t most, uint32_t IvfParameters::* ours,
                               std::map<string, string> StoreServerConfig::* to) {
    const auto number = Number<uint32_t>(name, 1, most, [ours](Config& c) -> uint32_t& { return c.store.ivf.*ours; });
    keys.push_back({name, variable, allowed, standard, help,
                    [name, number, to](Config& c, const string& v, const std::filesystem::path& base) -> Status {
                      RAGTIME_RETURN_IF_ERROR(number(c, v, base));
                      const std::string_view full = name;
                      (c.store_server.*to)[string(full.substr(full.rfind('.') + 1))] = v;
                      return Status();
                    }});
  };
  of_both("store_conf.kwargs.index_kwargs.params.nlist", "RAGTIME_STORE_NLIST", "1 to 65536",
          "what fits: 4 times the root of a segment's nodes; of type milvus the server's",
          "IVF_*: lists. For new segments.", 65536, &IvfParameters::nlist, &StoreServerConfig::index_params);
  of_both("store_conf.kwargs.index_kwargs.params.m", "RAGTIME_STORE_PQ_M", "1 to 65536",
          "what fits: a fourth of the dimension; of type milvus the server's",
          "IVF_PQ and PQ: parts that a vector is cut into, at most one for each dimension. For new segments.", 65536,
          &IvfParameters::m, &StoreServerConfig::index_params);
  of_both("store_conf.kwargs.index_kwargs.params.nbits", "RAGTIME_STORE_PQ_NBITS", "4 or 8; of type milvus 1 to 64",
          "8", "IVF_PQ and PQ: bits of the code of a part. For new segments.", 64, &IvfParameters::nbits,
          &StoreServerConfig::index_params);
  of_both(
      "store_conf.kwargs.index_kwargs.params.nprobe", "RAGTIME_STORE_NPROBE", "1 to 65536", "64",
      "IVF_*: lists that a search looks into, at least. More finds more and takes longer. May differ from search to "
      "search.",
      65536, &IvfParameters::nprobe, &StoreServerConfig::search_params);
  keys.push_back({"store_conf.kwargs.index_kwargs.params.refine_k", "RAGTIME_REFINE_K", "1 to 65536", "8",
                  "IVF_PQ and PQ: nodes whose whole vectors are compared in the end, for each that is looked for. May "
                  "differ from search to search.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.refine_k", 1, 65536,
                                   [](Config& c) -> uint32_t& { return c.store.ivf.refine_k; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.search_list", "RAGTIME_STORE_SEARCH_LIST", "1 to 65536", "100",
       "DISKANN: how many near nodes a search keeps, at least twice as many as it looks for. More finds more and "
       "reads more. Of type milvus the server's own default holds.",
       [](Config& c, const string& v, const std::filesystem::path& base) -> Status {
         static const auto set =
             Number<uint32_t>("store_conf.kwargs.index_kwargs.params.search_list", 1, 65536,
                              [](Config& config) -> uint32_t& { return config.store.diskann.search_list; });
         RAGTIME_RETURN_IF_ERROR(set(c, v, base));
         c.store_server.search_params["search_list"] = v;
         return Status();
       }});
  keys.push_back({"store_conf.kwargs.index_kwargs.params.beamwidth", "RAGTIME_DISKANN_BEAMWIDTH", "1 to 64", "8",
                  "DISKANN: how many reads of a search are on their way at once.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.beamwidth", 1, 64,
                                   [](Config& c) -> uint32_t& { return c.store.diskann.beamwidth; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.memory_bytes_max", "RAGTIME_DISKANN_MEMORY_BYTES_MAX",
       "bytes, 0 to 1099511627776", "0",
       "DISKANN: the memory of all its segments together; 0: an eighth of their vectors. Short codes and upper "
       "levels always take theirs; what is left holds what was read.",
       Number<uint64_t>("store_conf.kwargs.index_kwargs.params.memory_bytes_max", 0, 1099511627776,
                        [](Config& c) -> uint64_t& { return c.store.diskann.memory_bytes_max; })});
  keys.push_back({"store_conf.kwargs.search_threads", "RAGTIME_SEARCH_THREADS", "0 to 256", "0",
                  "Of type ragtime: threads of one vector search, each with some of the segments; 0: half of the "
                  "cores, at most 8. More answer one question sooner and all questions together later.",
                  Number<size_t>("store_conf.kwargs.search_threads", 0, 256,
                                 [](Config& c) -> size_t& { return c.store.search_threads; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.metric_type", "RAGTIME_METRIC_TYPE", "COSINE | IP | L2", "COSINE",
       "What near means. Recorded at the first ingestion.",
       Choice<std::optional<Metric>>("store_conf.kwargs.index_kwargs.metric_type",
                                     {{"COSINE", Metric::kCosine}, {"IP", Metric::kInnerProduct}, {"L2", Metric::kL2}},
                                     [](Config& c) -> std::optional<Metric>& { return c.store.metric; })});
  keys.push_back({"catalog.uri", "RAGTIME_CATALOG_URI", "postgresql://user@host/database | mysql://user@host/database",
                  "none",
                  "Where the table of files is kept too, for other programs to read. Of type ragtime it is a mirror, "
                  "brought up to date after each commit.",
                  Text([](Config& c) -> string& { return c.catalog.uri; })});
  keys.push_back({"catalog.password_env", "RAGTIME_CATALOG_PASSWORD_ENV", "the name of an environment variable", "none",
                  "Where the password of catalog.uri is read from, so that it need not stand in the file.",
                  Text([](Config& c) -> string& { return c.catalog.password_env; })});
  keys.push_back({"doc_fields", "RAGTIME_DOC_FIELDS",
                  "a map: {year: int, author: {type: string, index: hash}, tags: list}; types int | float | bool | "
                  "string | datetime | list; indexes none | btree | hash | skiplist | bitmap",
                  "what the knowledge base records",
                  "What documents have beside their text, for filters. Filled from front matter and from "
                  "NAME.meta.json beside a file. Another declaration has all files read again at the next ingestion.",
                  SetDocFieldsText});
}

}  // namespace ragtime
