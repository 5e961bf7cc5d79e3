// SPDX-License-Identifier: Apache-2.0
//
// Goal: a configuration means what docs/reference/config.md says, and a slip is answered with the right key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/files.h"
#include "engine/config_keys.h"
#include "engine/embedders.h"
#include "engine/retrievers.h"
#include "ragtime/config.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

using testing::HasSubstr;

TEST(Config, TheTemplateIsTheDefault) {
  const auto config = ParseConfig(ConfigTemplate(), "/base");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  const Config defaults;
  EXPECT_EQ(config->embed.model, defaults.embed.model);
  EXPECT_EQ(config->split.size_tokens, defaults.split.size_tokens);
  EXPECT_EQ(config->split.overlap_tokens, defaults.split.overlap_tokens);
  EXPECT_EQ(config->search.top_k, defaults.search.top_k);
  EXPECT_EQ(config->answer.passages, defaults.answer.passages);
  EXPECT_EQ(config->llm.model, defaults.llm.model);
  EXPECT_EQ(config->llm.context_tokens, defaults.llm.context_tokens);
  EXPECT_EQ(config->llm.max_tokens, defaults.llm.max_tokens);
  EXPECT_EQ(config->store.uri, "/base/kb");
  EXPECT_EQ(config->dataset_path, "/base/docs");
}

TEST(Config, EveryKeyTakesItsOwnDefault) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.fallback == "none" || key.fallback.starts_with("found") || key.fallback == "the server's" ||
        key.fallback.starts_with("what"))
      continue;
    Config config;
    EXPECT_TRUE(key.set(config, std::string(key.fallback), "").ok()) << key.name;
  }
}

TEST(Config, SeveralEmbeddersAreDeclaredAndNamed) {
  auto config = ParseConfig(
      "embedders: {english: {model: all-minilm-l6-v2}, far: {model: BAAI/bge-m3, api: openai, base_url: [http://a/v1, "
      "http://b/v1]}, short: m}\n"
      "node_groups: {paragraph: {splitter: paragraph, embed: [english, default]}, sentence: {embed: short}, "
      "summary: {splitter: summary, embed: [__default__]}}\n"
      "retrievers: [{name: e, group: paragraph, embed_key: english}, {name: f, group: sentence, embed_key: far}, "
      "{name: d, embed_key: default}]\n"
      "store_conf: {kwargs: {index_kwargs: [{embed_key: default, index_type: HNSW}, {embed_key: english, index_type: "
      "IVF_PQ, params: {m: 8}}]}}",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->embed.model, EmbedConfig().model);
  EXPECT_EQ(config->embedders.at("english").model, "all-minilm-l6-v2");
  EXPECT_EQ(config->embedders.at("far").api, "openai");
  EXPECT_EQ(config->embedders.at("far").base_url, "http://a/v1,http://b/v1");
  EXPECT_EQ(config->embedders.at("short").model, "m");
  EXPECT_EQ(config->store.index_type, "HNSW");
  EXPECT_EQ(config->key_stores.at("english").index_type, "IVF_PQ");
  EXPECT_EQ(config->key_stores.at("english").ivf.m, 8u);
  const Status resolved = ResolveEmbedKeys(*config);
  ASSERT_TRUE(resolved.ok()) << resolved.ToString();
  MarkEmbeddedGroups(*config);
  EXPECT_EQ(config->node_groups[0].embed_keys, std::vector<std::string>{"english"});
  EXPECT_EQ(config->node_groups[1].embed_keys, (std::vector<std::string>{"far", "short"}));
  EXPECT_FALSE(config->node_groups[1].embed);
  EXPECT_TRUE(config->node_groups[2].embed);
  EXPECT_TRUE(config->node_groups[2].embed_keys.empty());
  EXPECT_EQ(config->retrievers[2].embed_key, "");
  const auto text = NodeGroupsText(config->node_groups);
  EXPECT_EQ(*ParseNodeGroups(*ParseYaml(text)), config->node_groups) << text;

  const auto error = [](const std::string& yaml) {
    auto parsed = ParseConfig(yaml, "");
    const Status status = parsed.ok() ? ResolveEmbedKeys(*parsed) : parsed.status();
    return status.ok() ? "no error" : status.ToString();
  };
  EXPECT_THAT(error("embedders: [a]"), HasSubstr("not a map"));
  EXPECT_THAT(error("embedders: {a: {api: openai}}"), HasSubstr("names no model"));
  EXPECT_THAT(error("embedders: {a: {model: m, modell: n}}"), HasSubstr("modell"));
  EXPECT_THAT(error("embedders: {a: {model: m, batch: x}}"), HasSubstr("the embedder a"));
  EXPECT_THAT(error("embedders: {default: {model: m}}"), HasSubstr("has the name of the one"));
  EXPECT_THAT(error("retrievers: [{name: r, embed_key: b}]\nembedders: {a: m}"), HasSubstr("there are default, a"));
  EXPECT_THAT(error("node_groups: {g: {embed: [b]}}"), HasSubstr("the node group g names the embedder b"));
  EXPECT_THAT(error("retrievers: [{similarity: bm25, embed_key: a}]"), HasSubstr("compares no vectors"));
  EXPECT_THAT(error("embedders: {a: m}\nstore_conf: {kwargs: {index_kwargs: [{embed_key: a, metric_type: IP}]}}"),
              HasSubstr("another metric_type for the embed_key a"));
}

TEST(Config, CarriesLazyLlmsStoreConfOver) {
  const auto config = ParseConfig(
      "store_conf: {type: ragtime, kwargs: {uri: /x/kb, index_kwargs: [{embed_key: e5, index_type: FLAT, "
      "metric_type: IP, params: {}}]}}\n"
      "embed: {key: e5}",
      "/base");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->store.uri, "/x/kb");
  EXPECT_EQ(config->store.metric, Metric::kInnerProduct);
  EXPECT_EQ(config->store.index_type, "FLAT");
}

TEST(Config, IndexKwargsAreADictOrAListPerEmbedKey) {
  const auto parse = [](const std::string& kwargs, const std::string& more = "") {
    return ParseConfig("store_conf: {kwargs: {index_kwargs: " + kwargs + "}}\n" + more, "");
  };
  for (const char* kwargs :
       {"{index_type: HNSW, params: {M: 32}}", "{embed_key: default, index_type: HNSW, params: {M: 32}}",
        "[{index_type: HNSW, params: {M: 32}}]", "[{embed_key: default, index_type: HNSW, params: {M: 32}}]",
        "[{embed_key: __default__, index_type: HNSW, params: {M: 32}}]"}) {
    const auto config = parse(kwargs);
    ASSERT_TRUE(config.ok()) << kwargs << ": " << config.status().ToString();
    EXPECT_EQ(config->store.index_type, "HNSW") << kwargs;
    EXPECT_EQ(config->store.hnsw.m, 32u) << kwargs;
  }
  EXPECT_TRUE(parse("[]").ok());
  const auto error = [&](const std::string& kwargs, const std::string& more = "") {
    const auto config = parse(kwargs, more);
    return config.ok() ? "no error" : config.status().ToString();
  };
  const std::string unknown = error("[{embed_key: default}, {embed_key: bge_sparse, index_type: FLAT}]");
  EXPECT_THAT(unknown, HasSubstr("embed_key bge_sparse"));
  EXPECT_THAT(unknown, HasSubstr("default, __default__"));
  EXPECT_THAT(unknown, HasSubstr("embed: {key: bge_sparse}"));
  EXPECT_THAT(error("[{embed_key: default}]", "embed: {key: bge}"), HasSubstr("is called bge"));
  EXPECT_EQ(error("[{embed_key: bge, index_type: FLAT}]", "embed: {key: bge}"), "no error");
  EXPECT_THAT(error("[{embed_key: default}, {index_type: FLAT}]"), HasSubstr("the second item"));
  EXPECT_THAT(error("[FLAT]"), HasSubstr("not a map"));
  EXPECT_THAT(error("[{index_typ: FLAT}]"), HasSubstr("index_type"));
}

TEST(Config, TakesTheParametersOfAnIndex) {
  const auto config = ParseConfig(
      "store_conf: {kwargs: {index_kwargs: {index_type: HNSW, params: {M: 32, efConstruction: 200, ef: 300}}}}", "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->store.index_type, "HNSW");
  EXPECT_EQ(config->store.hnsw.m, 32u);
  EXPECT_EQ(config->store.hnsw.ef_construction, 200u);
  EXPECT_EQ(config->store.hnsw.ef, 300u);
}

TEST(Config, TakesTheParametersOfListsAndCodes) {
  const auto config = ParseConfig(
      "store_conf: {kwargs: {index_kwargs: {index_type: IVF_PQ, params: {nlist: 128, m: 48, nbits: 4, nprobe: 12, "
      "refine_k: 3}}}}",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->store.index_type, "IVF_PQ");
  EXPECT_EQ(config->store.ivf.nlist, 128u);
  EXPECT_EQ(config->store.ivf.m, 48u);
  EXPECT_EQ(config->store.ivf.nbits, 4u);
  EXPECT_EQ(config->store.ivf.nprobe, 12u);
  EXPECT_EQ(config->store.ivf.refine_k, 3u);
  // A server gets what was set, and of what it knows.
  using Parameters = std::map<std::string, std::string>;
  EXPECT_EQ(config->store_server.index_params, (Parameters{{"m", "48"}, {"nbits", "4"}, {"nlist", "128"}}));
  EXPECT_EQ(config->store_server.search_params, (Parameters{{"nprobe", "12"}}));
}

TEST(Config, TakesTheParametersOfDiskann) {
  const auto config = ParseConfig(
      "store_conf: {kwargs: {index_kwargs: {index_type: DISKANN, params: {search_list: 150, beamwidth: 4, "
      "memory_bytes_max: 200000000}}}}",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->store.index_type, "DISKANN");
  EXPECT_EQ(config->store.diskann.search_list, 150u);
  EXPECT_EQ(config->store.diskann.beamwidth, 4u);
  EXPECT_EQ(config->store.diskann.memory_bytes_max, 200000000u);
  EXPECT_EQ(config->store_server.search_params.at("search_list"), "150");
}

TEST(Config, TakesListsAndMaps) {
  const auto config = ParseConfig(
      "rewrite: {synonyms: {k8s: [kubernetes, kube], 备份: 转储}}\nrerank: {required: [a, b c], excluded: d}", "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->rewrite.synonyms.at("k8s"), (std::vector<std::string>{"kubernetes", "kube"}));
  EXPECT_EQ(config->rewrite.synonyms.at("备份"), (std::vector<std::string>{"转储"}));
  EXPECT_EQ(config->rerank.required, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(config->rerank.excluded, (std::vector<std::string>{"d"}));
}

TEST(Config, RefusesByNameWhatItDoesNotTake) {
  auto error = [](std::string_view yaml) { return ParseConfig(yaml, "").status(); };
  EXPECT_THAT(error("store_conf: {segment_store: {type: map}}").remedy(), HasSubstr("one store"));
  EXPECT_THAT(error("store_conf: {type: qdrant}").ToString(), HasSubstr("milvus"));
  EXPECT_THAT(error("store_conf: {kwargs: {index_kwargs: [{index_type: FLAT}, {index_type: FLAT}]}}").ToString(),
              HasSubstr("second item"));
  EXPECT_THAT(error("store_conf: {kwargs: {index_kwargs: {index_type: IVF_FALT}}}").ToString(), HasSubstr("HNSW"));
  EXPECT_THAT(error("store_conf: {kwargs: {index_kwargs: {params: {nlist: 0}}}}").ToString(), HasSubstr("nlist"));
  EXPECT_THAT(error("store_conf: {kwargs: {index_kwargs: {params: {M: 3}}}}").ToString(), HasSubstr("4"));
}

TEST(Config, TakesTheParametersOfBm25) {
  const auto config = ParseConfig("search: {bm25: {k1: 0.9, b: 0}}", "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->store.bm25.k1, 0.9f);
  EXPECT_EQ(config->store.bm25.b, 0.0f);
  for (const char* wrong : {"1.5", "-0.1", "nan", "0.5x", "half"}) {
    const Status status = ParseConfig(std::string("search: {bm25: {b: ") + wrong + "}}", "").status();
    EXPECT_THAT(status.ToString(), AllOf(HasSubstr("search.bm25.b"), HasSubstr(wrong), HasSubstr("0 to 1")));
  }
}

TEST(Config, DeclaresFieldsInTheOrderWritten) {
  const auto config = ParseConfig(
      "doc_fields:\n  year: int\n  author: {type: string, index: hash}\n  tags: {type: list}\n  draft: bool\n"
      "  日期: datetime\n  price: {index: none, type: float}\n",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_THAT(config->doc_fields, testing::ElementsAre(FieldSpec{"year", FieldType::kInt, FieldIndex::kBtree},
                                                       FieldSpec{"author", FieldType::kString, FieldIndex::kHash},
                                                       FieldSpec{"tags", FieldType::kStringList, FieldIndex::kBitmap},
                                                       FieldSpec{"draft", FieldType::kBool, FieldIndex::kBitmap},
                                                       FieldSpec{"日期", FieldType::kDatetime, FieldIndex::kBtree},
                                                       FieldSpec{"price", FieldType::kFloat, FieldIndex::kNone}));
  EXPECT_THAT(config->explicit_keys, testing::Contains("doc_fields"));
  // {} takes all fields away; no value at all leaves them as they are.
  EXPECT_THAT(ParseConfig("doc_fields: {}", "")->explicit_keys, testing::Contains("doc_fields"));
  EXPECT_THAT(ParseConfig("doc_fields:\nthreads: 1", "")->explicit_keys, testing::ElementsAre("threads"));
}

TEST(Config, TakesLazyLlmsDocFields) {
  const auto config = ParseConfig(
      "doc_fields: {a: VARCHAR, b: {data_type: INT64}, c: STRING, d: INT32, e: FLOAT, f: BOOLEAN, "
      "g: {data_type: ARRAY, element_type: VARCHAR}}",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  std::string types;
  for (const FieldSpec& spec : config->doc_fields) types += std::string(FieldTypeName(spec.type)) + " ";
  EXPECT_EQ(types, "string int string int float bool list ");
}

TEST(Config, RefusesWrongFieldsByLineAndName) {
  auto error = [](std::string_view yaml) { return ParseConfig(yaml, "").status().ToString(); };
  EXPECT_THAT(
      error("doc_fields:\n  a: int\n  b: integer\n"),
      AllOf(HasSubstr("line 3"), HasSubstr("\"integer\""), HasSubstr("int, float, bool, string, datetime, list")));
  EXPECT_THAT(error("doc_fields:\n  a: {type: int, index: tree}\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("\"tree\""), HasSubstr("none, btree, hash, skiplist, bitmap")));
  EXPECT_THAT(error("doc_fields: {file_name: string}"), AllOf(HasSubstr("file_name"), HasSubstr("every")));
  EXPECT_THAT(error("doc_fields: {group: string}"), HasSubstr("group"));
  EXPECT_THAT(error("doc_fields: {a b: string}"), HasSubstr("a b"));
  EXPECT_THAT(error("doc_fields: {1a: string}"), HasSubstr("1a"));
  EXPECT_THAT(error("doc_fields: {a: {index: hash}}"), HasSubstr("no type"));
  EXPECT_THAT(error("doc_fields: {a: {type: int, kind: hash}}"), HasSubstr("kind"));
  EXPECT_THAT(error("doc_fields: {a: {data_type: ARRAY, element_type: INT64}}"), HasSubstr("strings"));
  EXPECT_THAT(error("doc_fields: {a: {data_type: INT64, default_value: 3}}"), HasSubstr("default_value"));
  EXPECT_THAT(error("doc_fields: {a: FLOAT_VECTOR}"), HasSubstr("embedding"));
  EXPECT_THAT(error("doc_fields: {a: int, a: int}"), HasSubstr("stands twice"));
  EXPECT_THAT(error("doc_fields: [a, b]"), HasSubstr("map"));
  EXPECT_THAT(error("doc_fields: {a: [int]}"), HasSubstr("a"));
  EXPECT_THAT(error("doc_fields: int"), HasSubstr("map"));
}

TEST(Config, ReadsNodeGroupsAndRetrievers) {
  const auto config = ParseConfig(
      "node_groups:\n  paragraph: paragraph\n  sentence: {parent: paragraph, size: 48, overlap: 0}\n"
      "  questions: {splitter: questions, writer: llm}\n"
      "retrievers:\n- {name: meaning, group: sentence, similarity: cosine, top_k: 30, similarity_cut_off: 0.5, weight: "
      "2, "
      "target: paragraph}\n- {group_name: paragraph, similarity: bm25, topk: 7}\n"
      "fusion: {type: weighted, k: 10, scale: zscore, mmr_lambda: 0.5}\nsearch: {window_before: 1, window_after: 2}",
      "");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  ASSERT_EQ(config->node_groups.size(), 3u);
  EXPECT_EQ(config->node_groups[0].splitter, "paragraph");
  EXPECT_TRUE(config->node_groups[0].embed);
  EXPECT_EQ(config->node_groups[1],
            (NodeGroupConfig{.name = "sentence", .parent = "paragraph", .size_tokens = 48, .overlap_tokens = 0}));
  EXPECT_EQ(config->node_groups[2].writer, "llm");
  ASSERT_EQ(config->retrievers.size(), 2u);
  EXPECT_EQ(config->retrievers[0], (RetrieverConfig{.name = "meaning",
                                                    .group = "sentence",
                                                    .similarity = "cosine",
                                                    .top_k = 30,
                                                    .similarity_cut_off = 0.5,
                                                    .weight = 2,
                                                    .target = "paragraph"}));
  EXPECT_EQ(config->retrievers[1].name, "bm25");
  EXPECT_EQ(config->retrievers[1].top_k, 7u);
  EXPECT_EQ(config->fusion.type, FusionType::kWeighted);
  EXPECT_EQ(config->fusion.scale, ScoreScale::kZScore);
  EXPECT_EQ(config->fusion.mmr_lambda, 0.5);
  EXPECT_EQ(config->search.window.after, 2u);
  // What is recorded reads back as it was.
  const auto again = ParseConfig("node_groups: " + NodeGroupsText(config->node_groups), "");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->node_groups, config->node_groups);
  EXPECT_THAT(ParseConfig("node_groups: {}", "")->explicit_keys, testing::ElementsAre("node_groups"));
}

TEST(Config, RefusesWrongGroupsAndRetrieversByLineAndName) {
  auto error = [](std::string_view yaml) { return ParseConfig(yaml, "").status().ToString(); };
  EXPECT_THAT(error("node_groups:\n  a: sentence\n  b: {splitter: chapter}"),
              AllOf(HasSubstr("line 3"), HasSubstr("chapter"), HasSubstr("paragraph")));
  EXPECT_THAT(error("node_groups: {a: summary}"), HasSubstr("first"));
  EXPECT_THAT(error("node_groups: {a: {parent: b}, b: sentence}"), HasSubstr("no group before it"));
  EXPECT_THAT(error("node_groups: {a: sentence, b: summary, c: {parent: b}}"), HasSubstr("written"));
  EXPECT_THAT(error("node_groups: {a: sentence, b: questions}"), HasSubstr("writer: llm"));
  EXPECT_THAT(error("node_groups: {a: {writer: llm}}"), HasSubstr("cut out of the text"));
  EXPECT_THAT(error("node_groups: {a: {size: 9}}"), HasSubstr("16 to 500"));
  EXPECT_THAT(error("node_groups: {a: {colour: 9}}"), HasSubstr("colour"));
  EXPECT_THAT(error("node_groups: [a]"), HasSubstr("not a map"));
  EXPECT_THAT(error("retrievers: {a: b}"), HasSubstr("not a list"));
  EXPECT_THAT(error("retrievers: [a]"), HasSubstr("not a map"));
  EXPECT_THAT(error("retrievers: [{name: fuse}]"), HasSubstr("stage"));
  EXPECT_THAT(error("retrievers: [{name: a}, {name: a}]"), HasSubstr("another one"));
  EXPECT_THAT(error("retrievers: [{similarity: bm25_chinese}]"), HasSubstr("bm25, which knows Chinese"));
  EXPECT_THAT(error("retrievers: [{top_k: 0}]"), HasSubstr("1 to 10000"));
  EXPECT_THAT(error("retrievers: [{top_k: 0}]"), HasSubstr("the retriever in line 1 has the top_k"));
  EXPECT_THAT(error("retrievers: [{weight: nan}]"), HasSubstr("1000000"));
  EXPECT_THAT(error("retrievers: [{similarity_cut_off: high}]"), HasSubstr("a number"));
  EXPECT_THAT(error("retrievers: [{embed_keys: a}]"), HasSubstr("embed_keys"));
  EXPECT_THAT(error("fusion: {type: best}"), HasSubstr("rrf | weighted | priority"));
  EXPECT_THAT(error("fusion: {mmr_lambda: 2}"), HasSubstr("from 0 to 1"));
}

TEST(Config, SuggestsTheNearestKey) {
  auto error = [](std::string_view yaml) { return ParseConfig(yaml, "").status(); };
  EXPECT_EQ(error("embed: {modle: x}").remedy(), "did you mean embed.model?");
  EXPECT_EQ(error("serch: {top_k: 3}").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(error("threds: 3").remedy(), "did you mean threads?");
  EXPECT_EQ(error("serch: {top_k: 3}").remedy(), "did you mean search?");
  EXPECT_THAT(error("threads: 1\nthreds: 3").message(), HasSubstr("line 2"));
  EXPECT_THAT(error("search: {top_k: many}").ToString(), HasSubstr("1 to 1000"));
  EXPECT_THAT(error("search: {top_k: [1]}").ToString(), HasSubstr("one value"));
  EXPECT_THAT(error("search: {top_k: 0}").ToString(), HasSubstr("1 to 1000"));
  EXPECT_THAT(error("answer: {mode: guess}").ToString(), HasSubstr("auto | generate | extract"));
}

TEST(Config, BrokenYamlIsAnErrorWithALine) {
  EXPECT_THAT(ParseConfig("a: [1\nb: {", "").status().ToString(), HasSubstr("line"));
  EXPECT_THAT(ParseConfig("threads: 1\nthreads: 2", "").status().ToString(), HasSubstr("line 2"));
  EXPECT_FALSE(ParseConfig("just words", "").ok());
  EXPECT_TRUE(ParseConfig("", "").ok());
  EXPECT_EQ(LoadConfig("/no/such/ragtime.yaml").status().code(), StatusCode::kNotFound);
}

TEST(Config, TheEnvironmentWinsOverTheFile) {
  Config config = *ParseConfig("search: {top_k: 3}", "");
  ::setenv("RAGTIME_SEARCH_TOP_K", "7", 1);
  EXPECT_TRUE(ApplyEnvironment(config).ok());
  EXPECT_EQ(config.search.top_k, 7u);
  ::setenv("RAGTIME_SEARCH_TOP_K", "x", 1);
  EXPECT_THAT(ApplyEnvironment(config).message(), HasSubstr("RAGTIME_SEARCH_TOP_K"));
  ::unsetenv("RAGTIME_SEARCH_TOP_K");
}

TEST(Config, TheReferencePageIsTheTable) {
  const auto page = ReadFile(RAGTIME_SOURCE_DIR "/docs/reference/config.md");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(*page, ConfigReference()) << "run: ragtime init --reference > docs/reference/config.md";
}

TEST(Config, ServersOfModels) {
  const auto config = ParseConfig(
      "llm: {api: openai, base_url: [http://a/v1, http://b/v1], model: org/m, thinking_tokens: 64}\n"
      "embed: {model: BAAI/bge-m3, api: openai, base_url: http://c/v1, query_prefix: 'query: ', found_threshold: 0.4}\n"
      "rerank: {type: openai, base_url: [http://d/v1], model: r}\n",
      "/base");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->llm.base_url, "http://a/v1,http://b/v1");
  EXPECT_EQ(config->llm.thinking_tokens, 64u);
  EXPECT_EQ(config->embed.model, "BAAI/bge-m3");
  EXPECT_EQ(config->embed.query_prefix, "query: ");
  EXPECT_FLOAT_EQ(config->embed.found_threshold, 0.4f);
  EXPECT_EQ(config->rerank.type, "remote");
  EXPECT_EQ(config->rerank.base_url, "http://d/v1");
  EXPECT_EQ(ParseConfig("embed: {model: ./m}", "/base")->embed.model, "/base/m");
  EXPECT_EQ(ParseConfig("llm: {thinking_tokens: auto}", "")->llm.thinking_tokens, std::nullopt);
  for (const char* wrong : {"llm: {thinking_tokens: much}", "llm: {thinking_tokens: -1}", "embed: {api: grpc}",
                            "embed: {parallel: 0}", "rerank: {type: local}", "rerank: {base_url: {a: [b, [c]]}}"}) {
    EXPECT_FALSE(ParseConfig(wrong, "").ok()) << wrong;
  }
}

}  // namespace
}  // namespace ragtime
