// SPDX-License-Identifier: Apache-2.0
#include "engine/retrievers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kGroupExample[] =
    "write node_groups: {paragraph: {splitter: paragraph}, sentence: {parent: paragraph, size: 64}}";
constexpr char kRetrieverExample[] = "write retrievers: [{name: meaning, similarity: cosine}, {similarity: bm25}]";
constexpr size_t kNameBytesMax = 64;
constexpr size_t kRetrieversMax = 32;

constexpr std::array<std::string_view, 6> kSplitters = {"sentence", "paragraph", "document",
                                                        "summary",  "keywords",  "questions"};
constexpr std::array<std::string_view, 7> kSimilarities = {"cosine", "ip", "l2", "bm25", "keywords", "llm", "all"};
// Stages whose times stand beside those of the routes.
constexpr std::array<std::string_view, 8> kStages = {"open",  "embed",  "fuse",   "diversify",
                                                     "fetch", "rerank", "window", "total"};

template <size_t N>
bool Holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status Wrong(std::string_view what, const std::string& name, int line, std::string_view why, std::string remedy) {
  return InvalidArgumentError(
      StrCat("the ", what, name.empty() ? "" : " ", name.substr(0, 100), " in line ", line, " ", why),
      std::move(remedy));
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

template <typename Number>
std::optional<Number> ParseNumber(const Yaml& value, Number least, Number most) {
  Number number{};
  if (!value.is_scalar()) return std::nullopt;
  const char* const end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  if (error != std::errc() || stop != end || !(number >= least && number <= most)) return std::nullopt;
  return number;
}

bool IsTextGroup(const NodeGroupConfig& group) {
  return group.splitter == "sentence" || group.splitter == "paragraph" || group.splitter == "document";
}

Status SetGroupPart(const Yaml::Member& part, NodeGroupConfig& group) {
  const Yaml& value = part.value;
  const auto wrong = [&](std::string_view allowed) {
    return Wrong("node group", group.name, part.line,
                 StrCat("has the ", part.key, " \"", value.text.substr(0, 100), "\""), StrCat("write ", allowed));
  };
  if (part.key == "parent") {
    if (!value.is_scalar()) return wrong("the name of a group");
    group.parent = value.text;
  } else if (part.key == "splitter" || part.key == "transform") {
    if (!value.is_scalar() || !Holds(kSplitters, value.text)) {
      return wrong("one of sentence, paragraph, document, summary, keywords, questions");
    }
    group.splitter = value.text;
  } else if (part.key == "writer") {
    if (value.text != "rules" && value.text != "llm") return wrong("rules or llm");
    group.writer = value.text;
  } else if (part.key == "size" || part.key == "chunk_size") {
    const std::optional<size_t> size = ParseNumber<size_t>(value, 16, 500);
    if (!size) return wrong("a number of tokens from 16 to 500");
    group.size_tokens = *size;
  } else if (part.key == "overlap" || part.key == "chunk_overlap") {
    const std::optional<size_t> overlap = ParseNumber<size_t>(value, 0, 250);
    if (!overlap) return wrong("a number of tokens from 0 to 250");
    group.overlap_tokens = *overlap;
  } else if (part.key == "embed") {
    // Of a list, or one name: which embedders. That of `embed` is told from the others by ResolveEmbedKeys.
    group.embed = value.text == "true";
    group.embed_keys.clear();
    if (value.text == "true" || value.text == "false") return Status();
    for (const Yaml& item : value.is_list() ? value.items : std::vector<Yaml>{value}) {
      if (!item.is_scalar() || !IsName(item.text)) return wrong("true, false, or a list of embedders");
      if (item.text == EmbedConfig().key) {
        group.embed = true;
      } else {
        group.embed_keys.push_back(item.text);
      }
    }
    std::sort(group.embed_keys.begin(), group.embed_keys.end());
    group.embed_keys.erase(std::unique(group.embed_keys.begin(), group.embed_keys.end()), group.embed_keys.end());
  } else {
    return Wrong("node group", group.name, part.line,
                 StrCat("has the key ", part.key.substr(0, 100), ", which is unknown"),
                 "write parent, splitter, size, overlap, writer or embed");
  }
  return Status();
}

// What must hold between a group and those before it.
Status CheckGroup(const NodeGroupConfig& group, int line, std::span<const NodeGroupConfig> before) {
  const auto wrong = [&](std::string_view why, std::string remedy) {
    return Wrong("node group", group.name, line, why, std::move(remedy));
  };
  if (before.empty() && !IsTextGroup(group)) {
    return wrong(StrCat("is the first, and made by ", group.splitter),
                 "put a group of sentence, paragraph or document before it: questions are answered from the first");
  }
  if (group.splitter == "questions" && group.writer != "llm") {
    return wrong("has questions, which no rules can write", "add writer: llm and set llm: {model: ...}");
  }
  if (IsTextGroup(group) && group.writer == "llm") {
    return wrong(StrCat("is cut out of the text by ", group.splitter, ", and has writer: llm"),
                 "take writer out, or use splitter: summary, keywords or questions");
  }
  if (group.parent.empty()) return Status();
  const auto parent =
      std::find_if(before.begin(), before.end(), [&group](const auto& other) { return other.name == group.parent; });
  if (parent == before.end()) {
    return wrong(StrCat("has the parent ", group.parent, ", which is no group before it"),
                 "write the parent first, or leave it out for the whole document");
  }
  if (!IsTextGroup(*parent)) {
    return wrong(StrCat("has the parent ", group.parent, ", whose nodes are written and hold no text of the document"),
                 StrCat("take the parent of ", group.parent));
  }
  return Status();
}

Status SetRetrieverPart(const Yaml::Member& part, RetrieverConfig& retriever) {
  const Yaml& value = part.value;
  const auto wrong = [&](std::string_view allowed) {
    return Wrong("retriever", retriever.name, part.line,
                 StrCat("has the ", part.key, " \"", value.text.substr(0, 100), "\""), StrCat("write ", allowed));
  };
  if (part.key == "name") return Status();
  if (part.key == "group" || part.key == "group_name") {
    if (!value.is_scalar()) return wrong("the name of a node group");
    retriever.group = value.text;
  } else if (part.key == "similarity") {
    if (!value.is_scalar() || !IsName(value.text)) {
      return wrong("one of cosine, ip, l2, bm25, keywords, llm, all, or a registered similarity");
    }
    if (value.text == "bm25_chinese") return wrong("bm25, which knows Chinese");
    retriever.similarity = value.text;
  } else if (part.key == "top_k" || part.key == "topk") {
    const std::optional<size_t> top_k = ParseNumber<size_t>(value, 1, 10000);
    if (!top_k) return wrong("a whole number from 1 to 10000");
    retriever.top_k = *top_k;
  } else if (part.key == "similarity_cut_off") {
    const std::optional<double> cut_off = ParseNumber<double>(value, -1e30, 1e30);
    if (!cut_off) return wrong("a number");
    retriever.similarity_cut_off = *cut_off;
  } else if (part.key == "weight") {
    const std::optional<double> weight = ParseNumber<double>(value, 0, 1e6);
    if (!weight) return wrong("a number from 0 to 1000000");
    retriever.weight = *weight;
  } else if (part.key == "target") {
    if (!value.is_scalar()) return wrong("the name of a node group");
    retriever.target = value.text;
  } else if (part.key == "embed_key") {
    if (!value.is_scalar() || !IsName(value.text)) return wrong("the name of one embedder");
    retriever.embed_key = value.text;
  } else if (part.key == "embed_keys") {
    return Wrong("retriever", retriever.name, part.line, "has the key embed_keys, which is not taken",
                 "write embed_key, in one retriever for each embedder");
  } else {
    return Wrong("retriever", retriever.name, part.line,
                 StrCat("has the key ", part.key.substr(0, 100), ", which is unknown"),
                 "write name, group, similarity, top_k, similarity_cut_off, weight, target or embed_key");
  }
  return Status();
}

}  // namespace

Result<std::vector<NodeGroupConfig>> ParseNodeGroups(const Yaml& map) {
  if (!map.is_map())
    return InvalidArgumentError(StrCat("node_groups in line ", map.line, " is not a map"), kGroupExample);
  std::vector<NodeGroupConfig> groups;
  for (const Yaml::Member& member : map.members) {
    NodeGroupConfig group{.name = member.key};
    if (!IsName(group.name)) return Wrong("node group", group.name, member.line, "has no usable name", kGroupExample);
    if (member.value.is_scalar()) {
      RAGTIME_RETURN_IF_ERROR(SetGroupPart({"splitter", member.value, member.line}, group));
    } else if (!member.value.is_map() && !member.value.is_null()) {
      return Wrong("node group", group.name, member.line, "is neither a splitter nor a map", kGroupExample);
    }
    for (const Yaml::Member& part : member.value.members) RAGTIME_RETURN_IF_ERROR(SetGroupPart(part, group));
    RAGTIME_RETURN_IF_ERROR(CheckGroup(group, member.line, groups));
    groups.push_back(std::move(group));
  }
  if (!groups.empty()) groups.front().embed = true;
  return groups;
}

std::string NodeGroupsText(std::span<const NodeGroupConfig> groups) {
  Json map(Json::Object{});
  for (const NodeGroupConfig& group : groups) {
    Json entry(Json::Object{});
    if (!group.parent.empty()) entry.Set("parent", group.parent);
    entry.Set("splitter", group.splitter).Set("writer", group.writer);
    if (group.size_tokens > 0) entry.Set("size", uint64_t{group.size_tokens});
    if (group.overlap_tokens) entry.Set("overlap", uint64_t{*group.overlap_tokens});
    if (group.embed_keys.empty()) {
      entry.Set("embed", group.embed ? "true" : "false");
    } else {
      Json keys(Json::Array{});
      if (group.embed) keys.Append(EmbedConfig().key);
      for (const std::string& key : group.embed_keys) keys.Append(key);
      entry.Set("embed", std::move(keys));
    }
    map.Set(group.name, std::move(entry));
  }
  return map.Dump();
}

Result<std::vector<RetrieverConfig>> ParseRetrievers(const Yaml& list) {
  if (!list.is_list()) {
    return InvalidArgumentError(StrCat("retrievers in line ", list.line, " is not a list"), kRetrieverExample);
  }
  if (list.items.size() > kRetrieversMax) {
    return InvalidArgumentError(
        StrCat("retrievers lists too many routes: ", list.items.size(), ", limit ", kRetrieversMax),
        "leave some out: each is asked for every question");
  }
  std::vector<RetrieverConfig> retrievers;
  for (const Yaml& item : list.items) {
    if (!item.is_map()) {
      return InvalidArgumentError(StrCat("the retriever in line ", item.line, " is not a map"), kRetrieverExample);
    }
    RetrieverConfig retriever;
    const Yaml* const name = item.Find("name");
    if (name != nullptr) retriever.name = name->text;
    for (const Yaml::Member& part : item.members) RAGTIME_RETURN_IF_ERROR(SetRetrieverPart(part, retriever));
    if (name == nullptr) retriever.name = retriever.similarity;
    if (!retriever.embed_key.empty() && IsBuiltinSimilarity(retriever.similarity) &&
        !IsVectorSimilarity(retriever.similarity)) {
      return Wrong("retriever", retriever.name, item.line,
                   StrCat("has the embed_key ", retriever.embed_key, ", and similarity ", retriever.similarity,
                          " compares no vectors"),
                   "take embed_key out, or write similarity: cosine");
    }
    if (!IsName(retriever.name)) {
      return Wrong("retriever", retriever.name, item.line, "has no usable name", "write name: and a word");
    }
    if (Holds(kStages, retriever.name)) {
      return Wrong("retriever", retriever.name, item.line, "has the name of a stage whose time is shown beside it",
                   "give it another name");
    }
    if (std::any_of(retrievers.begin(), retrievers.end(), [&](const auto& r) { return r.name == retriever.name; })) {
      return Wrong("retriever", retriever.name, item.line, "has the name of another one",
                   "give each a name of its own");
    }
    retrievers.push_back(std::move(retriever));
  }
  return retrievers;
}

bool IsBuiltinSimilarity(std::string_view name) { return Holds(kSimilarities, name); }

bool IsVectorSimilarity(std::string_view name) { return name == "cosine" || name == "ip" || name == "l2"; }

}  // namespace ragtime
