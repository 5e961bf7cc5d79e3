// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/llamaindex_node.h"

#include <set>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

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

ImportedNode FromLlamaIndexNode(const Json& node, std::string_view text) {
  ImportedNode imported;
  imported.text = node["text"].AsString(node["text_resource"]["text"].AsString());
  if (imported.text.empty()) imported.text = text;
  imported.embedded_texts = {EmbeddedText(node, imported.text)};
  imported.metadata = node["metadata"];
  imported.document = DocumentOf(node);
  if (node["start_char_idx"].is_number()) imported.order = node["start_char_idx"].AsInt();
  return imported;
}

void TakeLlamaIndexNode(ImportedNode& row) {
  const Json& content = row.metadata["_node_content"];
  if (!content.is_string()) return;
  const Result<Json> node = Json::Parse(content.AsString());
  if (!node.ok() || !node->is_object()) return;
  ImportedNode imported = FromLlamaIndexNode(*node, row.text.empty() ? row.metadata["text"].AsString() : row.text);
  imported.id = std::move(row.id);
  imported.vector = std::move(row.vector);
  row = std::move(imported);
}

}  // namespace ragtime
