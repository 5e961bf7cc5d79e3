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

// A model file that was replaced by another under its name.
std::string VersionOfModel(const Config& config) {
  if (config.llm.api != "local") return "";
  const Result<std::filesystem::path> path = FindModel(config, config.llm.model);
  if (!path.ok()) return "";
  std::error_code error;
  const auto time = std::filesystem::last_write_time(*path, error).time_since_epoch().count();
  return StrCat(path->string(), " ", time);
}

}  // namespace

std::string ConfigurationText(const Config& config) {
  Json json(Json::Object{});
  json.Set("version", kVersion);
  json.Set("embed", Json(Json::Array{config.embed.model, config.embed.backend, config.embed.precision}));
  json.Set("store", Json(Json::Array{config.store.type, config.store.index_type}));
  json.Set("bm25", Json(Json::Array{double{config.store.bm25.k1}, double{config.store.bm25.b}}));
  Json synonyms(Json::Object{});
  for (const auto& [word, others] : config.rewrite.synonyms) synonyms.Set(word, Words(others));
  json.Set("synonyms", std::move(synonyms));
  json.Set("required", Words(config.rerank.required)).Set("excluded", Words(config.rerank.excluded));
  json.Set("passages", uint64_t{config.answer.passages});
  json.Set("llm", Json(Json::Array{config.llm.api, config.llm.model, config.llm.base_url, VersionOfModel(config),
                                   uint64_t{config.llm.context_tokens}, uint64_t{config.llm.max_tokens}}));
  return json.Dump();
}

}  // namespace ragtime
