// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/llamaindex_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/files.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kNodesFile[] = "docstore.json";
constexpr char kVectorsFile[] = "default__vector_store.json";
constexpr uint64_t kFileBytesMax = uint64_t{4} << 30;

Result<Json> ReadJson(const std::filesystem::path& file) {
  Result<std::string> text = ReadFile(file, kFileBytesMax);
  if (!text.ok()) {
    return text.status().WithRemedy("name the folder that index.storage_context.persist() wrote");
  }
  Result<Json> json = Json::Parse(*text, kFileBytesMax);
  if (!json.ok()) return json.status().Annotate(file.string());
  return json;
}

// As Python's str() writes a value, and repr() one within another: so did LlamaIndex before it embedded them.
std::string PythonText(const Json& value, bool nested) {
  if (value.is_null()) return "None";
  if (value.is_bool()) return value.AsBool() ? "True" : "False";
  if (value.is_string() && !nested) return value.AsString();
  if (value.is_string()) {
    const std::string text = value.AsString();
    const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
    std::string quoted(1, quote);
    for (const char c : text) quoted += c == quote || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    return quoted + quote;
  }
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value.AsArray()) text += StrCat(text.empty() ? "" : ", ", PythonText(item, true));
    return StrCat("[", text, "]");
  }
  if (value.is_object()) {
    std::string text;
    for (const auto& [key, item] : value.AsObject()) {
      text += StrCat(text.empty() ? "" : ", ", PythonText(Json(key), true), ": ", PythonText(item, true));
    }
    return StrCat("{", text, "}");
  }
  return value.Dump();
}

void Replace(std::string& text, std::string_view what, std::string_view with) {
  if (const size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
}

// MetadataMode.EMBED of LlamaIndex.
std::string EmbeddedText(const Json& node, const std::string& text) {
  std::set<std::string> excluded;
  for (const Json& key : node["excluded_embed_metadata_keys"].AsArray()) excluded.insert(key.AsString());
  const std::string separator = node["metadata_separator"].AsString(node["metadata_seperator"].AsString("\n"));
  std::string metadata;
  for (const auto& [key, value] : node["metadata"].AsObject()) {
    if (excluded.contains(key)) continue;
    std::string line = node["metadata_template"].AsString("{key}: {value}");
    Replace(line, "{key}", key);
    Replace(line, "{value}", PythonText(value, false));
    metadata += StrCat(metadata.empty() ? "" : separator, line);
  }
  if (metadata.empty()) return text;
  std::string whole = node["text_template"].AsString("{metadata_str}\n\n{content}");
  // The content last: it may hold the words of a template.
  Replace(whole, "{metadata_str}", metadata);
  if (const size_t at = whole.rfind("{content}"); at != std::string::npos) whole.replace(at, 9, text);
  return whole;
}

// The document that a node was cut from: relationship 1 of LlamaIndex.
std::string DocumentOf(const Json& node) {
  const Json& source = node["relationships"]["1"];
  return source.is_array() ? source[0]["node_id"].AsString() : source["node_id"].AsString();
}

}  // namespace

Result<std::unique_ptr<LlamaIndexSource>> LlamaIndexSource::Open(const std::filesystem::path& folder) {
  RAGTIME_ASSIGN_OR_RETURN(const Json documents, ReadJson(folder / kNodesFile));
  RAGTIME_ASSIGN_OR_RETURN(const Json vectors, ReadJson(folder / kVectorsFile));
  if (!documents["docstore/data"].is_object() || !vectors["embedding_dict"].is_object()) {
    return InvalidArgumentError(
        StrCat(folder.string(), " holds ", documents["docstore/data"].is_object() ? kVectorsFile : kNodesFile,
               " in a layout that is not LlamaIndex's"),
        "persist the index with llama-index-core 0.10 to 0.14 and a SimpleVectorStore");
  }
  std::unique_ptr<LlamaIndexSource> source(new LlamaIndexSource(documents["docstore/data"], vectors["embedding_dict"]));
  for (const auto& [id, vector] : source->vectors_.AsObject()) source->vector_of_.emplace(id, &vector);
  return source;
}

Result<std::vector<ImportedNode>> LlamaIndexSource::Next(const Context& context, size_t limit) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  std::vector<ImportedNode> batch;
  const Json::Object& all = nodes_.AsObject();
  for (; next_ < all.size() && batch.size() < limit; ++next_) {
    const auto& [id, stored] = all[next_];
    // A document as a whole, type 4, has no vector of its own.
    if (stored["__type__"].AsString() == "4") continue;
    const Json& data = stored["__data__"];
    Json parsed;
    if (data.is_string()) {
      RAGTIME_ASSIGN_OR_RETURN(parsed, Json::Parse(data.AsString()));
    }
    const Json& node = data.is_string() ? parsed : data;
    ImportedNode imported;
    imported.id = id;
    imported.text = node["text"].AsString(node["text_resource"]["text"].AsString());
    imported.embedded_text = EmbeddedText(node, imported.text);
    imported.metadata = node["metadata"];
    imported.document = DocumentOf(node);
    if (node["start_char_idx"].is_number()) imported.order = node["start_char_idx"].AsInt();
    if (const auto vector = vector_of_.find(id); vector != vector_of_.end()) {
      for (const Json& number : vector->second->AsArray()) {
        imported.vector.push_back(static_cast<float>(number.AsDouble()));
      }
    }
    batch.push_back(std::move(imported));
  }
  return batch;
}

}  // namespace ragtime
