// SPDX-License-Identifier: Apache-2.0
#include "engine/configuration_text.h"

#include <filesystem>

#include "base/str_cat.h"
#include "engine/models.h"
#include "ragtime/version.h"
#include "wire/json.h"

namespace ragtime {
namespace {

Json Words(const std::vector<std::string>& words) {
  Json array(Json::Array{});
  for (const std::string& word : words) array.Append(word);
  return array;
}

Json GroupsOf(const std::vector<NodeGroupConfig>& groups) {
  Json array(Json::Array{});
  for (const NodeGroupConfig& group : groups) {
    array.Append(Json(Json::Array{group.name, group.parent, group.splitter, group.writer, uint64_t{group.size_tokens},
                                  group.overlap_tokens ? Json(uint64_t{*group.overlap_tokens}) : Json(), group.embed,
                                  Words(group.embed_keys)}));
  }
  return array;
}

Json RoutesOf(const std::vector<RetrieverConfig>& retrievers) {
  Json array(Json::Array{});
  for (const RetrieverConfig& retriever : retrievers) {
    array.Append(Json(Json::Array{retriever.name, retriever.group, retriever.similarity, uint64_t{retriever.top_k},
                                  retriever.similarity_cut_off ? Json(*retriever.similarity_cut_off) : Json(),
                                  retriever.weight, retriever.target, retriever.embed_key}));
  }
  return array;
}

// A model file that was replaced by another under its name.
std::string VersionOfFile(const std::filesystem::path& file) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(file, error).time_since_epoch().count();
  return file.empty() ? "" : StrCat(file.string(), " ", time);
}

std::string VersionOfModel(const Config& config) {
  if (config.llm.api != "local") return "";
  const Result<std::filesystem::path> path = FindModel(config, config.llm.model);
  if (!path.ok()) return "";
  return VersionOfFile(*path);
}

}  // namespace

std::string ConfigurationText(const Config& config) {
  Json json(Json::Object{});
  json.Set("version", kVersion);
  json.Set("embed", Json(Json::Array{config.embed.model, config.embed.backend, config.embed.precision, config.embed.api,
                                     double{config.embed.found_threshold}}));
  Json embedders(Json::Object{});
  for (const auto& [key, embed] : config.embedders) {
    embedders.Set(key, Json(Json::Array{embed.model, embed.backend, embed.precision, embed.api}));
  }
  json.Set("embedders", std::move(embedders));
  Json of_keys(Json::Object{});
  for (const auto& [key, store] : config.key_stores) {
    of_keys.Set(key, Json(Json::Array{store.index_type, uint64_t{store.hnsw.m}, uint64_t{store.hnsw.ef_construction},
                                      uint64_t{store.hnsw.ef}, static_cast<int>(store.hnsw.profile),
                                      uint64_t{store.ivf.nlist}, uint64_t{store.ivf.nprobe}, uint64_t{store.ivf.m},
                                      uint64_t{store.ivf.nbits}, uint64_t{store.ivf.refine_k},
                                      uint64_t{store.diskann.search_list}, uint64_t{store.diskann.beamwidth}}));
  }
  json.Set("key_indexes", std::move(of_keys));
  json.Set("store",
           Json(Json::Array{config.store.type, config.store.index_type, uint64_t{config.store.search_threads}}));
  json.Set("bm25", Json(Json::Array{double{config.store.bm25.k1}, double{config.store.bm25.b}}));
  json.Set("words", Json(Json::Array{config.words.chinese, VersionOfFile(config.words.user_dictionary)}));
  Json synonyms(Json::Object{});
  for (const auto& [word, others] : config.rewrite.synonyms) synonyms.Set(word, Words(others));
  json.Set("synonyms", std::move(synonyms));
  json.Set("required", Words(config.rerank.required)).Set("excluded", Words(config.rerank.excluded));
  json.Set("rerank", Json(Json::Array{config.rerank.type, config.rerank.base_url, config.rerank.model,
                                      uint64_t{config.rerank.candidates}, uint64_t{config.rerank.max_tokens}}));
  json.Set("node_groups", GroupsOf(config.node_groups)).Set("retrievers", RoutesOf(config.retrievers));
  json.Set("fusion", Json(Json::Array{static_cast<int>(config.fusion.type), config.fusion.k,
                                      static_cast<int>(config.fusion.scale), config.fusion.mmr_lambda}));
  json.Set("window", Json(Json::Array{uint64_t{config.search.window.before}, uint64_t{config.search.window.after}}));
  json.Set("hnsw", Json(Json::Array{uint64_t{config.store.hnsw.m}, uint64_t{config.store.hnsw.ef_construction},
                                    uint64_t{config.store.hnsw.ef}, static_cast<int>(config.store.hnsw.profile)}));
  const IvfParameters& ivf = config.store.ivf;
  json.Set("ivf", Json(Json::Array{uint64_t{ivf.nlist}, uint64_t{ivf.nprobe}, uint64_t{ivf.m}, uint64_t{ivf.nbits},
                                   uint64_t{ivf.refine_k}}));
  json.Set("diskann",
           Json(Json::Array{uint64_t{config.store.diskann.search_list}, uint64_t{config.store.diskann.beamwidth}}));
  Json server(Json::Object{});
  for (const auto* parameters : {&config.store_server.index_params, &config.store_server.search_params}) {
    for (const auto& [name, value] : *parameters) server.Set(name, value);
  }
  json.Set("server_index", std::move(server)).Set("consistency", config.store_server.consistency_level);
  json.Set("passages", uint64_t{config.answer.passages});
  json.Set("llm", Json(Json::Array{config.llm.api, config.llm.model, config.llm.base_url, VersionOfModel(config),
                                   uint64_t{config.llm.context_tokens}, uint64_t{config.llm.max_tokens},
                                   config.llm.chunk_reuse,
                                   config.llm.thinking_tokens ? Json(uint64_t{*config.llm.thinking_tokens}) : Json(),
                                   config.llm.template_opens_think, config.llm.kv_type}));
  return json.Dump();
}

}  // namespace ragtime
