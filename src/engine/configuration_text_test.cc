// SPDX-License-Identifier: Apache-2.0
//
// Goal: two configurations that can give different results never share what a cache keeps. Method: every key of the
// table is set to something else; whoever adds a key has to say here which of the two kinds it is.
#include "engine/configuration_text.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engine/config_keys.h"

namespace ragtime {
namespace {

// Another value than the default, for each key that can change a result.
const std::map<std::string, std::string> kChangesResults = {
    {"embed.model", "other-model"},
    {"embed.backend", "llama"},
    {"embed.precision", "f32"},
    {"store_conf.type", "map"},
    {"store_conf.kwargs.index_kwargs.index_type", "FLAT"},
    {"store_conf.kwargs.index_kwargs.params.M", "32"},
    {"store_conf.kwargs.index_kwargs.params.efConstruction", "64"},
    {"store_conf.kwargs.index_kwargs.params.ef", "64"},
    {"store_conf.kwargs.index_kwargs.params.profile", "fast"},
    {"store_conf.kwargs.index_kwargs.params.nlist", "8"},
    {"store_conf.kwargs.index_kwargs.params.m", "8"},
    {"store_conf.kwargs.index_kwargs.params.nbits", "8"},
    {"store_conf.kwargs.index_kwargs.params.nprobe", "8"},
    {"store_conf.kwargs.index_kwargs.params.refine_k", "4"},
    {"store_conf.kwargs.index_kwargs.params.search_list", "8"},
    {"store_conf.kwargs.index_kwargs.params.beamwidth", "4"},
    {"store_conf.kwargs.search_threads", "3"},
    {"store_conf.kwargs.consistency_level", "Bounded"},
    {"search.bm25.k1", "2"},
    {"search.bm25.b", "0.5"},
    {"words.chinese", "jieba"},
    {"words.user_dictionary", "words.txt"},
    {"search.window_before", "1"},
    {"search.window_after", "1"},
    {"node_groups", "{paragraph: {splitter: paragraph}}"},
    {"embedders", "{english: {model: other-model}}"},
    {"retrievers", "[{name: meaning, similarity: cosine}]"},
    {"fusion.type", "rrf"},
    {"fusion.k", "10"},
    {"fusion.scale", "zscore"},
    {"fusion.mmr_lambda", "0.5"},
    {"rewrite.synonyms", "k8s=kubernetes"},
    {"rerank.required", "backup"},
    {"rerank.excluded", "backup"},
    {"answer.passages", "3"},
    {"llm.api", "openai"},
    {"llm.model", "other-model"},
    {"llm.base_url", "http://127.0.0.1:1/v1"},
    {"llm.context_tokens", "1000"},
    {"llm.max_tokens", "100"},
    {"llm.chunk_reuse", "off"},
    {"llm.kv_type", "q8_0"},
    {"llm.thinking_tokens", "100"},
    {"llm.template_opens_think", "true"},
    {"embed.api", "openai"},
    {"embed.found_threshold", "0.5"},
    {"rerank.type", "remote"},
    {"rerank.base_url", "http://127.0.0.1:1/v1"},
    {"rerank.model", "other-model"},
    {"rerank.candidates", "10"},
    {"rerank.max_tokens", "100"},
};

// Those that do not: what a request itself says, what the knowledge base records under its uuid, where things lie, how
// long they may take.
const std::map<std::string, std::string> kChangesNothing = {
    {"dataset_path", "where to ingest from"},
    {"embed.key", "a name within the configuration"},
    {"split.size", "recorded"},
    {"split.overlap", "recorded"},
    {"store_conf.kwargs.uri", "the uuid says it"},
    {"store_conf.kwargs.name", "likewise"},
    {"store_conf.kwargs.tenant", "likewise"},
    {"store_conf.kwargs.database", "likewise"},
    {"store_conf.kwargs.db_name", "likewise"},
    {"store_conf.kwargs.token_env", "who asks"},
    {"store_conf.kwargs.tls_ca", "how it is asked"},
    {"store_conf.kwargs.tls_cert", "likewise"},
    {"store_conf.kwargs.tls_key", "likewise"},
    {"store_conf.kwargs.tls_server_name", "likewise"},
    {"store_conf.kwargs.state", "made from the store"},
    {"store_conf.kwargs.index_kwargs.params.memory_bytes_max", "sooner, not other"},
    {"store_conf.kwargs.index_kwargs.metric_type", "recorded"},
    {"catalog.uri", "where the files table is mirrored"},
    {"catalog.password_env", "likewise"},
    {"doc_fields", "a write, with a generation of its own"},
    {"search.top_k", "of the request"},
    {"search.route", "of the request"},
    {"answer.mode", "of the request"},
    {"llm.api_key_env", "who pays"},
    {"llm.requests_max", "sooner, not other"},
    {"embed.base_url", "the fingerprint says what the servers' model is"},
    {"embed.api_key_env", "who pays"},
    {"embed.query_prefix", "recorded, in the fingerprint"},
    {"embed.passage_prefix", "likewise"},
    {"embed.dimensions", "likewise"},
    {"embed.max_tokens", "likewise"},
    {"embed.encoding", "the same vectors, sent in another way"},
    {"embed.batch", "sooner, not other"},
    {"embed.parallel", "likewise"},
    {"embed.timeout_ms", "a late vector is no vector"},
    {"rerank.api_key_env", "who pays"},
    {"rerank.timeout_ms", "a late order is not kept"},
    {"llm.parallel", "sooner, not other"},
    {"llm.kv_tokens", "likewise"},
    {"llm.kv_memory_bytes", "likewise"},
    {"llm.kv_disk_bytes", "likewise"},
    {"llm.prompt_lookup", "likewise, but for near ties with auto"},
    {"llm.gpu_layers", "where it is computed; other rounding, as with other batches"},
    {"llm.split_mode", "likewise"},
    {"llm.main_gpu", "likewise"},
    {"server.port", ""},
    {"server.requests_max", ""},
    {"server.body_bytes_max", ""},
    {"server.timeout_ms", ""},
    {"server.drain_ms", ""},
    {"llm.timeout_ms", "a late answer is not kept"},
    {"cache.type", ""},
    {"cache.uri", ""},
    {"cache.password_env", ""},
    {"cache.tls_ca", ""},
    {"cache.tls_cert", ""},
    {"cache.tls_key", ""},
    {"cache.ttl_s", ""},
    {"cache.capacity_bytes", ""},
    {"cache.two_level", ""},
    {"cache.timeout_ms", ""},
    {"cache.similar_questions", "labelled, and kept under its own question"},
    {"cache.similar_cosine", "likewise"},
    {"cache.session_ttl_s", "the turns themselves are in the key"},
    {"cache.session_turns", "likewise"},
    {"cache.session_bytes", "likewise"},
    {"threads", "the same result, sooner"},
    {"lock_timeout_ms", "of writers"},
    {"models_path", "the model's file is in the text"},
};

TEST(ConfigurationText, KnowsEveryKey) {
  const std::string usual = ConfigurationText(Config());
  for (const ConfigKey& key : ConfigKeys()) {
    const std::string name(key.name);
    const auto changes = kChangesResults.find(name);
    EXPECT_TRUE((changes != kChangesResults.end()) != kChangesNothing.contains(name))
        << name << ": can it change a result? Then put it into ConfigurationText and this table, else into the other";
    if (changes == kChangesResults.end()) continue;
    Config config;
    ASSERT_TRUE(key.set(config, changes->second, "").ok()) << name;
    EXPECT_NE(ConfigurationText(config), usual) << name;
  }
}

}  // namespace
}  // namespace ragtime
