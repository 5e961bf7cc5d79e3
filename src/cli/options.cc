// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "engine/recorded.h"
#include "wire/schema.h"

namespace ragtime::cli {

Result<Config> ResolveConfig(const Options& options) {
  Config config;
  if (!options.config_file.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(config, LoadConfig(options.config_file));
  }
  RAGTIME_RETURN_IF_ERROR(ApplyEnvironment(config));
  if (!options.kb.empty()) {
    config.store.uri = options.kb;
    config.explicit_keys.emplace_back("store_conf.kwargs.uri");
  }
  if (options.model) {
    const bool is_path = config.embed.api == "local" && options.model->find('/') != std::string::npos;
    config.embed.model = is_path ? std::filesystem::absolute(*options.model).string() : *options.model;
    config.explicit_keys.emplace_back("embed.model");
  }
  if (options.gpu_layers) config.llm.gpu_layers = *options.gpu_layers;
  if (options.lock_timeout_s) config.lock_timeout_ms = static_cast<int64_t>(*options.lock_timeout_s * 1000);
  if (options.top_k) config.search.top_k = *options.top_k;
  if (options.ef) {
    // Of the types of store and index, a graph alone walks.
    const std::string& type = config.store.index_type;
    const bool embedded = config.store.type == "ragtime";
    if (!embedded || (type != "AUTO" && type != "HNSW")) {
      return InvalidArgumentError(
          "--ef is given, and " + (embedded ? "an index of type " + type : "a store of type " + config.store.type) +
              " does not know it",
          embedded ? "leave it out, or use index_type: HNSW" : "leave it out, or use store_conf.type ragtime");
    }
    config.store.hnsw.ef = *options.ef;
    config.explicit_keys.emplace_back(kEfKey);
  }
  if (options.route) {
    config.search.route = *options.route == "vector"    ? Route::kVector
                          : *options.route == "keyword" ? Route::kKeyword
                                                        : Route::kHybrid;
  }
  if (options.mode) {
    config.answer.mode = *options.mode == "generate"  ? AnswerMode::kGenerate
                         : *options.mode == "extract" ? AnswerMode::kExtract
                                                      : AnswerMode::kAuto;
  }
  return config;
}

Result<Config> ResolveKnowledgeBase(const Options& options) {
  RAGTIME_ASSIGN_OR_RETURN(Config config, ResolveConfig(options));
  if (config.store.type == "map" && !config.store.uri.ends_with(".ragmap")) {
    return InvalidArgumentError("store_conf.type map lives in memory, and a command ends with its process",
                                "give a file to save it to, as --kb NAME.ragmap, or use type: ragtime");
  }
  if (config.store.uri.empty() && config.store.type == "ragtime" && !options.config_file.empty()) {
    config.store.uri = (std::filesystem::path(options.config_file).parent_path() / "kb").string();
  }
  if (config.store.uri.empty()) {
    return InvalidArgumentError("no knowledge base is named", "add --kb DIR, or --config ragtime.yaml");
  }
  return config;
}

Result<std::unique_ptr<KnowledgeBase>> OpenKnowledgeBase(const Options& options) {
  RAGTIME_ASSIGN_OR_RETURN(const Config config, ResolveKnowledgeBase(options));
  return KnowledgeBase::Open(config, /*must_exist=*/true);
}

Result<std::vector<std::string>> ReadQuestions(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> questions;
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) questions.push_back(line);
  }
  if (questions.empty()) {
    return InvalidArgumentError("the file " + path + " holds no question", "write one question on each line");
  }
  return questions;
}

int Fail(const Options& options, const Status& status) {
  if (options.json) std::printf("%s\n", ErrorJson(status).Dump().c_str());
  std::fprintf(stderr, "ragtime: %s\n", status.message().c_str());
  if (!status.remedy().empty()) std::fprintf(stderr, "  remedy: %s\n", status.remedy().c_str());
  return status.code() == StatusCode::kInvalidArgument ? 2 : 1;
}

}  // namespace ragtime::cli
