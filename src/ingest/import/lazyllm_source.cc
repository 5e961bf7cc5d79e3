// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/lazyllm_source.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <vector>

#include "base/str_cat.h"
#include "ingest/import/lazyllm_stores.h"

namespace ragtime {
namespace {

constexpr size_t kOrdersMax = 6;   // Of three keys all.
constexpr int64_t kImageType = 2;  // SegmentType.IMAGE: its content is a path.
// Counted within a document, and said by the order already.
constexpr char kNumber[] = "lazyllm_store_num";

// As it stands in a column.
Json Parsed(const std::string& column) {
  Result<Json> json = Json::Parse(column);
  return json.ok() ? *std::move(json) : Json();
}

// What LazyLLM embeds: DocNode.get_text(MetadataMode.EMBED). It writes metadata in the order of a Python set, which is
// not known, and what it notes as excluded is so for a node that it has read back, not for one that it has just made.
std::vector<std::string> EmbeddedTexts(const Json& metadata, const Json& excluded, const std::string& text) {
  std::set<std::string> without;
  for (const Json& key : excluded.AsArray()) without.insert(key.AsString());
  std::vector<std::string> texts;
  for (const bool all : {true, false}) {
    std::vector<std::string> lines;
    for (const auto& [key, value] : metadata.AsObject()) {
      if (!all && without.contains(key)) continue;
      lines.push_back(StrCat(key, ": ", value.is_string() ? value.AsString() : value.Dump()));
    }
    std::sort(lines.begin(), lines.end());
    size_t orders = 0;
    do {
      std::string whole;
      for (const std::string& line : lines) whole += StrCat(whole.empty() ? "" : "\n", line);
      texts.push_back(whole.empty() ? text : StrCat(whole, "\n\n", text));
    } while (++orders < kOrdersMax && std::next_permutation(lines.begin(), lines.end()));
  }
  return texts;
}

}  // namespace

LazyLlmSegments::LazyLlmSegments(std::unique_ptr<Connection> connection, std::string collection)
    : connection_(std::move(connection)),
      collection_(std::move(collection)),
      select_(StrCat("SELECT content, meta, global_meta, type, number, excluded_embed_metadata_keys, answer, doc_id "
                     "FROM \"",
                     collection_, "\" WHERE uid = ?")),
      ids_(StrCat("SELECT uid FROM \"", collection_, "\" WHERE uid > ? ORDER BY uid LIMIT ?")) {}

Result<std::unique_ptr<LazyLlmSegments>> LazyLlmSegments::Open(const std::filesystem::path& file,
                                                               const std::string& group) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return NotFoundError(StrCat("LazyLLM's texts are not at ", file.string()),
                         "give the store_conf that Document(store_conf=...) was given, with absolute paths");
  }
  RAGTIME_ASSIGN_OR_RETURN(auto connection, Connection::Open(file, Access::kRead));
  std::vector<std::string> tables;
  Query query = connection->Prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'col_*' AND name NOT GLOB '*_fts*' "
      "AND name NOT IN ('col_lazyllm_root', 'col_image') ORDER BY name");
  std::string known;
  const std::string wanted = LazyLlmCollection(group);
  std::string found;
  for (;;) {
    const Result<bool> row = query.Step();
    if (!row.ok()) return row.status().Annotate(StrCat(file.string(), " is no segment store of LazyLLM"));
    if (!*row) break;
    tables.push_back(query.Text(0));
    known += StrCat(known.empty() ? "" : ", ", tables.back().substr(std::string_view("col_").size()));
    if (!group.empty() && tables.back() == wanted) found = wanted;
  }
  if (group.empty() && tables.size() == 1) found = tables.front();
  if (found.empty()) {
    const std::string what = StrCat("LazyLLM's store ", file.string());
    if (tables.empty()) return NotFoundError(StrCat(what, " holds no node group"), "ingest its documents instead");
    return InvalidArgumentError(group.empty() ? StrCat(what, " holds several node groups: ", known)
                                              : StrCat(what, " holds no node group ", group, ", only ", known),
                                "name one with --map group=NAME");
  }
  // The statement is the connection's, which moves.
  RAGTIME_RETURN_IF_ERROR(query.Run());
  return std::unique_ptr<LazyLlmSegments>(new LazyLlmSegments(std::move(connection), std::move(found)));
}

Result<bool> LazyLlmSegments::Fill(ImportedNode& node) {
  Query query = connection_->Prepare(select_.c_str());
  query.Bind(node.id);
  RAGTIME_ASSIGN_OR_RETURN(const bool there, query.Step());
  if (!there) return false;
  const std::string content = query.Text(0);
  const Json metadata = Parsed(query.Text(1));
  const Json of_document = Parsed(query.Text(2));
  const std::string answer = query.Text(6);
  if (query.Int(3) == kImageType) return true;
  // Of a question and its answer the question was embedded.
  node.text = answer.empty() ? content : StrCat(content, "\n", answer);
  node.embedded_texts = EmbeddedTexts(metadata, Parsed(query.Text(5)), content);
  node.order = query.Int(4);
  node.document = query.Text(7);
  node.metadata = Json(Json::Object{});
  for (const Json* part : {&metadata, &of_document}) {
    for (const auto& [key, value] : part->AsObject()) {
      if (key != kNumber) node.metadata.Set(key, value);
    }
  }
  return true;
}

Result<std::vector<std::string>> LazyLlmSegments::IdsBehind(const std::string& id, size_t limit) {
  std::vector<std::string> ids;
  Query query = connection_->Prepare(ids_.c_str());
  query.Bind(std::string_view(id)).Bind(static_cast<int64_t>(limit));
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const bool there, query.Step());
    if (!there) return ids;
    ids.push_back(query.Text(0));
  }
}

Result<std::vector<ImportedNode>> LazyLlmSource::NextOfSegments(size_t limit) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::string> ids, segments_->IdsBehind(last_, limit));
  std::vector<ImportedNode> nodes(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    nodes[i].id = ids[i];
    last_ = ids[i];
  }
  return nodes;
}

Result<std::vector<ImportedNode>> LazyLlmSource::Next(const Context& context, size_t limit) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  auto nodes = vectors_ == nullptr ? NextOfSegments(limit) : vectors_->Next(context, limit);
  if (!nodes.ok()) return nodes;
  for (ImportedNode& node : *nodes) {
    // A vector whose text is gone stays without one, and is counted as left out.
    node.metadata = Json();
    node.text.clear();
    RAGTIME_RETURN_IF_ERROR(segments_->Fill(node).status());
  }
  return nodes;
}

}  // namespace ragtime
