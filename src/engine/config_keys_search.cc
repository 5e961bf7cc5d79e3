// SPDX-License-Identifier: Apache-2.0
//
// The keys of searching: words, node groups, routes, fusion, rewriting and reranking.
#include "engine/config_keys.h"

#include "engine/config_values.h"
#include "engine/retrievers.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

// "k8s=kubernetes; pg=postgres,postgresql"; a YAML map arrives in this form.
Status SetSynonyms(Config& config, const std::string& value, const std::filesystem::path&) {
  config.rewrite.synonyms.clear();
  for (const std::string& entry : SplitList(value, ';')) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      return WrongValue("rewrite.synonyms", entry, "a map from a word to a list of words");
    }
    config.rewrite.synonyms[SplitList(entry.substr(0, equals), ',').front()] = SplitList(entry.substr(equals + 1), ',');
  }
  return Status();
}

Status SetNodeGroupsText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.node_groups, ParseNodeGroups(yaml));
  return Status();
}

Status SetRetrieversText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.retrievers, ParseRetrievers(yaml));
  return Status();
}

// Of reranking by a server.
void AddRerankServerKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"rerank.type", "RAGTIME_RERANK_TYPE", "none | remote", "none",
                  "remote: a cross-encoder behind /rerank (vLLM, llama-server, Jina, Cohere) puts the hits in order.",
                  Choice<string>("rerank.type", {{"none", "none"}, {"remote", "remote"}, {"openai", "remote"}},
                                 [](Config& c) -> string& { return c.rerank.type; })});
  keys.push_back({"rerank.base_url", "RAGTIME_RERANK_BASE_URL", "a URL ending in /v1, or a list of them", "none",
                  "The server of type remote. Of a list the first that answers.",
                  Text([](Config& c) -> string& { return c.rerank.base_url; })});
  keys.push_back({"rerank.model", "RAGTIME_RERANK_MODEL", "the server's name for it", "none",
                  "The model of type remote.", Text([](Config& c) -> string& { return c.rerank.model; })});
  keys.push_back({"rerank.api_key_env", "RAGTIME_RERANK_API_KEY_ENV", "the name of an environment variable",
                  "OPENAI_API_KEY", "Where the key of the server is read from.",
                  Text([](Config& c) -> string& { return c.rerank.api_key_env; })});
  keys.push_back(
      {"rerank.candidates", "RAGTIME_RERANK_CANDIDATES", "1 to 1000", "50",
       "How many of the fused hits are scored by type remote; a search returns no others.",
       Number<size_t>("rerank.candidates", 1, 1000, [](Config& c) -> size_t& { return c.rerank.candidates; })});
  keys.push_back(
      {"rerank.max_tokens", "RAGTIME_RERANK_MAX_TOKENS", "tokens, 64 to 131072", "512",
       "Of question and text together, estimated. Of a longer text the best part counts.",
       Number<size_t>("rerank.max_tokens", 64, 131072, [](Config& c) -> size_t& { return c.rerank.max_tokens; })});
  keys.push_back(
      {"rerank.timeout_ms", "RAGTIME_RERANK_TIMEOUT_MS", "milliseconds, 100 to 3600000", "10000",
       "How long the server may take. Where it takes longer the fused order stays, with a warning.",
       Number<int64_t>("rerank.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.rerank.timeout_ms; })});
}

}  // namespace

void AddSearchKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"search.top_k", "RAGTIME_SEARCH_TOP_K", "1 to 1000", "10", "How many hits a search returns.",
                  Number<size_t>("search.top_k", 1, 1000, [](Config& c) -> size_t& { return c.search.top_k; })});
  keys.push_back({"search.route", "RAGTIME_SEARCH_ROUTE", "hybrid | vector | keyword", "hybrid",
                  "Which routes a question takes. hybrid: both, fused by reciprocal rank.",
                  Choice<Route>("search.route",
                                {{"hybrid", Route::kHybrid}, {"vector", Route::kVector}, {"keyword", Route::kKeyword}},
                                [](Config& c) -> Route& { return c.search.route; })});
  keys.push_back({"search.bm25.k1", "RAGTIME_SEARCH_BM25_K1", "0 to 10", "1.2",
                  "How much a word that a node repeats adds to its score by keyword. 0: nothing.",
                  Real<float>("search.bm25.k1", 0, 10, [](Config& c) -> float& { return c.store.bm25.k1; })});
  keys.push_back({"search.bm25.b", "RAGTIME_SEARCH_BM25_B", "0 to 1", "0.75",
                  "How much a longer node must repeat a word for the same score by keyword. 0: not more.",
                  Real<float>("search.bm25.b", 0, 1, [](Config& c) -> float& { return c.store.bm25.b; })});
  keys.push_back({"words.chinese", "RAGTIME_WORDS_CHINESE", "bigrams | jieba",
                  "what the knowledge base records, else bigrams",
                  "How Chinese is cut for the keyword route. bigrams: characters and pairs. jieba: the words of a "
                  "dictionary too. Another way than before needs ragtime compact once.",
                  Choice<string>("words.chinese", {{"bigrams", "bigrams"}, {"jieba", "jieba"}},
                                 [](Config& c) -> string& { return c.words.chinese; })});
  keys.push_back(
      {"words.user_dictionary", "RAGTIME_WORDS_USER_DICTIONARY", "a text file", "none",
       "With words.chinese: jieba, more words: one on each line, and behind it, if you like, how frequent it "
       "is and a tag.",
       File([](Config& c) -> string& { return c.words.user_dictionary; })});
  keys.push_back(
      {"search.window_before", "RAGTIME_SEARCH_WINDOW_BEFORE", "0 to 20", "0",
       "How many nodes before a hit are returned with it, beyond top_k.",
       Number<size_t>("search.window_before", 0, 20, [](Config& c) -> size_t& { return c.search.window.before; })});
  keys.push_back(
      {"search.window_after", "RAGTIME_SEARCH_WINDOW_AFTER", "0 to 20", "0",
       "How many nodes after a hit are returned with it, beyond top_k.",
       Number<size_t>("search.window_after", 0, 20, [](Config& c) -> size_t& { return c.search.window.after; })});
  keys.push_back(
      {"node_groups", "RAGTIME_NODE_GROUPS",
       "a map: {paragraph: {splitter: paragraph}, sentence: {parent: paragraph, size: 64, overlap: 0}}; "
       "splitters sentence | paragraph | document | summary | keywords | questions; writer rules | llm; embed "
       "true | false, or a list of embedders: [default, english]",
       "what the knowledge base records, else one group of sentences",
       "How nodes are made of a document or of their parent's nodes. Answers are made from the first. Another "
       "declaration has all files read again at the next ingestion; known texts are not embedded again.",
       SetNodeGroupsText});
  keys.push_back(
      {"retrievers", "RAGTIME_RETRIEVERS",
       "a list: [{name: meaning, group: sentence, similarity: cosine, top_k: 50, similarity_cut_off: 0.8, "
       "weight: 1, target: paragraph, embed_key: english}]; similarities cosine | ip | l2 | bm25 | keywords | llm | "
       "all, or a "
       "registered one",
       "none",
       "The routes that a question takes, side by side. None: cosine as `vector` and bm25 as `keyword`, of half its "
       "weight, over the first group. target: the group whose nodes are returned for those "
       "found, which lie in them or hold them. embed_key: whose vectors are compared; none: those of embed.",
       SetRetrieversText});
  keys.push_back(
      {"fusion.type", "RAGTIME_FUSION_TYPE", "rrf | weighted | priority", "weighted",
       "How the routes are joined. rrf: by weight / (k + rank). weighted: by scores brought to one scale. "
       "priority: all hits of the first route, then of the second.",
       Choice<FusionType>(
           "fusion.type",
           {{"rrf", FusionType::kRrf}, {"weighted", FusionType::kWeighted}, {"priority", FusionType::kPriority}},
           [](Config& c) -> FusionType& { return c.fusion.type; })});
  keys.push_back({"fusion.k", "RAGTIME_FUSION_K", "0 to 10000", "60",
                  "The constant of rrf. Less: the first ranks count more.",
                  Real<double>("fusion.k", 0, 10000, [](Config& c) -> double& { return c.fusion.k; })});
  keys.push_back({"fusion.scale", "RAGTIME_FUSION_SCALE", "minmax | zscore", "minmax",
                  "The scale of weighted: a route's lowest and highest score, or its mean and standard deviation.",
                  Choice<ScoreScale>("fusion.scale", {{"minmax", ScoreScale::kMinMax}, {"zscore", ScoreScale::kZScore}},
                                     [](Config& c) -> ScoreScale& { return c.fusion.scale; })});
  keys.push_back({"fusion.mmr_lambda", "RAGTIME_FUSION_MMR_LAMBDA", "0 to 1", "1",
                  "1: by score. Less: hits unlike those before them come earlier (maximal marginal relevance).",
                  Real<double>("fusion.mmr_lambda", 0, 1, [](Config& c) -> double& { return c.fusion.mmr_lambda; })});
  keys.push_back({"rewrite.synonyms", "RAGTIME_REWRITE_SYNONYMS", "a map: {k8s: [kubernetes], 备份: [转储, backup]}",
                  "none", "What else the keyword route looks for when the question holds a word. One way.",
                  SetSynonyms});
  keys.push_back({"rerank.required", "RAGTIME_RERANK_REQUIRED", "a list of words", "none",
                  "Hits that lack one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.required; })});
  keys.push_back({"rerank.excluded", "RAGTIME_RERANK_EXCLUDED", "a list of words", "none",
                  "Hits that hold one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.excluded; })});
  AddRerankServerKeys(keys);
}

}  // namespace ragtime
