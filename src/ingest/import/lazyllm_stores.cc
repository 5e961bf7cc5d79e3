// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/lazyllm_stores.h"

#include <algorithm>
#include <system_error>

#include "base/files.h"
#include "base/str_cat.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr char kIngest[] = "ingest its documents with ragtime ingest";

bool IsAddress(std::string_view uri) { return uri.find("://") != std::string_view::npos; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// "MilvusStore", "milvus", "chromadb": as LazyLLM takes them.
std::string TypeOf(const Json& store) {
  std::string type = Lower(store["type"].AsString());
  if (type.size() > 5 && type.ends_with("store")) type.resize(type.size() - 5);
  return type == "chromadb" ? "chroma" : type;
}

bool HoldsVectors(std::string_view type) { return type == "milvus" || type == "chroma"; }

// What Python says for nothing.
std::string Text(const Json& value) {
  std::string text = value.AsString();
  return text == "None" || text == "null" ? std::string() : text;
}

class Reading {
 public:
  explicit Reading(fs::path folder) : folder_(std::move(folder)) {}

  Result<LazyLlmStores> Read(const Json& whole) {
    Json conf = whole.Has("store_conf") ? whole["store_conf"] : whole;
    // The spelling of older versions.
    if (const Json& index = conf["indices"]["smart_embedding_index"]; index.is_object()) {
      Json modern(Json::Object{});
      modern.Set("type", index["backend"]).Set("kwargs", index["kwargs"]);
      conf = std::move(modern);
    }
    Json segments = conf["segment_store"];
    Json vectors = conf["vector_store"];
    if (const std::string type = TypeOf(conf); !type.empty()) (HoldsVectors(type) ? vectors : segments) = conf;
    if (segments.is_null() && vectors.is_null()) {
      return InvalidArgumentError("the store_conf of LazyLLM has neither type nor segment_store and vector_store",
                                  "give the one that Document(store_conf=...) was given");
    }
    LazyLlmStores stores;
    if (!vectors.is_null()) RAGTIME_RETURN_IF_ERROR(ReadVectors(vectors, stores));
    RAGTIME_RETURN_IF_ERROR(ReadSegments(segments, stores));
    return stores;
  }

 private:
  std::string Place(const std::string& path) const {
    std::error_code error;
    const fs::path beside = folder_ / path;
    return fs::path(path).is_absolute() || folder_.empty() || !fs::exists(beside, error) ? path : beside.string();
  }

  Status ReadVectors(const Json& store, LazyLlmStores& stores) const {
    stores.vector_type = TypeOf(store);
    if (!HoldsVectors(stores.vector_type)) {
      return UnimplementedError(StrCat("vectors of LazyLLM's store ", stores.vector_type, " are not read"), kIngest);
    }
    const Json& kwargs = store["kwargs"];
    std::string uri = Text(kwargs["uri"]);
    if (uri.empty()) uri = Text(kwargs["dir"]);
    if (uri.empty()) {
      return InvalidArgumentError(StrCat("the store ", stores.vector_type, " of LazyLLM's store_conf has no uri"),
                                  "add kwargs: {uri: ...}");
    }
    if (uri.starts_with("chroma+")) uri.erase(0, std::string_view("chroma+").size());
    if (uri.starts_with("file://")) uri.erase(0, std::string_view("file://").size());
    stores.vector_uri = IsAddress(uri) ? uri : Place(uri);
    if (IsAddress(uri)) {
      stores.db_name = Text(kwargs["db_name"]);
      if (stores.db_name.empty()) stores.db_name = "lazyllm";
    }
    return Status();
  }

  Status ReadSegments(const Json& store, LazyLlmStores& stores) const {
    if (store.is_null()) return BesideVectors(stores);
    const std::string type = TypeOf(store);
    if (type != "map" && type != "sqlite") {
      return UnimplementedError(StrCat("texts of LazyLLM's store ", type, " are not read"), kIngest);
    }
    const std::string path = Text(store["kwargs"][type == "map" ? "uri" : "db_path"]);
    if (path.empty()) {
      return InvalidArgumentError(
          StrCat("the store ", type,
                 " of LazyLLM's store_conf names no file, so that its texts ended with the process"),
          kIngest);
    }
    stores.segments = Place(path);
    return Status();
  }

  // As _DocumentStore does where the store_conf has vectors only.
  static Status BesideVectors(LazyLlmStores& stores) {
    if (IsAddress(stores.vector_uri)) {
      return InvalidArgumentError(
          StrCat("with this store_conf LazyLLM kept texts in memory only: ", stores.vector_type, " has its vectors"),
          StrCat("name the segment_store, if there was one, or ", kIngest));
    }
    fs::path file = stores.vector_uri;
    if (!file.has_extension()) file /= stores.vector_type == "milvus" ? "milvus.db" : "chroma.sqlite3";
    stores.segments = file.parent_path() / StrCat("lazyllm_", file.stem().string(), "_segments.db");
    return Status();
  }

  const fs::path folder_;  // Of the configuration; "": there is no file.
};

}  // namespace

Result<LazyLlmStores> ParseLazyLlmStores(std::string_view conf) {
  std::error_code error;
  std::string text(conf);
  fs::path folder;
  const bool is_text = conf.find_first_of("{\n") != std::string_view::npos;
  if (!is_text) {
    const fs::path file(conf);
    Result<std::string> read = ReadFile(file, kYamlSizeBytesMax);
    if (!read.ok()) {
      return Status(read.status().code(), read.status().message(),
                    "name a file with the store_conf, or write the store_conf itself");
    }
    text = *std::move(read);
    folder = fs::absolute(file, error).parent_path();
  }
  const Result<Yaml> yaml = ParseYaml(text);
  if (!yaml.ok()) return yaml.status().Annotate("the store_conf of LazyLLM");
  if (!yaml->is_map())
    return InvalidArgumentError("the store_conf of LazyLLM is no map", "write {type: ..., kwargs: ...}");
  return Reading(std::move(folder)).Read(yaml->ToJson());
}

std::string LazyLlmCollection(std::string_view group) { return Lower(StrCat("col_", group)); }

}  // namespace ragtime
