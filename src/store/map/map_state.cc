// SPDX-License-Identifier: Apache-2.0
#include "store/map/map_state.h"

#include <algorithm>
#include <utility>

#include "text/words.h"

namespace ragtime {

std::optional<FileRecord> MapState::FindFile(DocumentId id, uint64_t at) const {
  const auto found = files.find(id);
  if (found == files.end()) return std::nullopt;
  for (const MapFile& file : found->second) {
    if (file.life.Holds(at)) return file.record;
  }
  return std::nullopt;
}

std::optional<FileRecord> MapState::FindFile(std::string_view path, uint64_t at) const {
  const auto found = paths.find(path);
  if (found == paths.end()) return std::nullopt;
  for (const DocumentId id : found->second) {
    std::optional<FileRecord> file = FindFile(id, at);
    if (file && file->file_path == path) return file;
  }
  return std::nullopt;
}

void MapState::Apply(WriteBatch& batch, const FileChanges& changes, std::optional<size_t> new_dimension,
                     NamedDimensions new_named) {
  MapTotals now = totals.at(commit);
  ++commit;
  if (changes.changes_results || (batch.fields && *batch.fields != fields)) ++now.generation;
  if (batch.fields && *batch.fields != fields) RemakeColumns(*std::move(batch.fields));
  now.files = static_cast<uint64_t>(static_cast<int64_t>(now.files) + changes.files_added);
  now.folders = static_cast<uint64_t>(static_cast<int64_t>(now.folders) + changes.folders_added);
  for (const DocumentId id : changes.cleared) RemoveNodes(id, now.keyword);
  for (const DocumentId id : changes.removed) RemoveFile(id);
  for (const FileRecord& file : changes.put) PutFile(file);
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    if (batch.documents[i].nodes.empty()) continue;
    const uint32_t item = next_fields_item++;
    // The batch was checked, so that no value is of a wrong type.
    if (columns != nullptr) (void)columns->Put(item, batch.documents[i].file.fields);
    for (NewNode& node : batch.documents[i].nodes) {
      node.node.id = next_node_id++;
      node.node.document_id = changes.document_ids[i];
      AddNode(std::move(node), item, now.keyword);
    }
  }
  for (auto& [key, value] : batch.settings) settings[key] = std::move(value);
  dimension = new_dimension;
  named = std::move(new_named);
  if (!named.empty()) settings[kNamedDimensionsSetting] = EncodeDimensions(named);
  next_document_id = changes.next_document_id;
  totals[commit] = now;
  // Snapshots look up their own commit only.
  std::erase_if(totals,
                [this](const auto& entry) { return entry.first != commit && !snapshots.contains(entry.first); });
}

MapContents MapState::Save() const {
  MapContents contents{.generation = totals.at(commit).generation,
                       .next_document_id = next_document_id,
                       .next_node_id = next_node_id,
                       .dimension = dimension,
                       .named = named,
                       .settings = settings,
                       .fields = fields};
  for (const auto& [id, versions] : files) {
    for (const MapFile& file : versions) {
      if (file.life.until == Lifetime::kForever) contents.files.push_back(file.record);
    }
  }
  for (const MapRow& row : rows) {
    if (row.life.until == Lifetime::kForever) contents.nodes.push_back(row.node);
  }
  return contents;
}

void MapState::Load(MapContents contents) {
  settings = std::move(contents.settings);
  dimension = contents.dimension;
  named = std::move(contents.named);
  next_document_id = contents.next_document_id;
  next_node_id = contents.next_node_id;
  RemakeColumns(std::move(contents.fields));
  MapTotals now{.generation = contents.generation};
  std::unordered_map<DocumentId, uint32_t> item_of;
  for (const FileRecord& file : contents.files) {
    ++(file.is_dir ? now.folders : now.files);
    PutFile(file);
    if (file.nodes == 0) continue;
    const uint32_t item = item_of[file.id] = next_fields_item++;
    if (columns != nullptr) (void)columns->Put(item, file.fields);
  }
  for (NewNode& node : contents.nodes) {
    const uint32_t item = item_of[node.node.document_id];
    AddNode(std::move(node), item, now.keyword);
  }
  totals[commit] = now;
}

void MapState::RemoveNodes(DocumentId document, KeywordStatistics& keyword) {
  const auto found = rows_of.find(document);
  if (found == rows_of.end()) return;
  for (const uint32_t row : found->second) {
    if (rows[row].life.until != Lifetime::kForever) continue;
    rows[row].life.until = commit;
    --keyword.nodes;
    keyword.tokens -= rows[row].tokens;
  }
}

void MapState::AddNode(NewNode node, uint32_t fields_item, KeywordStatistics& keyword) {
  const auto row = static_cast<uint32_t>(rows.size());
  std::map<std::string, uint32_t> counts;
  uint32_t tokens = 0;
  SplitWords(node.node.text, chinese.get(), [&](std::string_view word) {
    ++counts[std::string(word)];
    ++tokens;
  });
  for (const auto& [word, count] : counts) postings[word].push_back({row, count});
  rows_of[node.node.document_id].push_back(row);
  rows.push_back({.node = std::move(node), .tokens = tokens, .fields_item = fields_item, .life = {.since = commit}});
  ++keyword.nodes;
  keyword.tokens += tokens;
}

void MapState::RemakeColumns(std::vector<FieldSpec> declared) {
  const std::unique_ptr<MutableFieldColumns> before = std::move(columns);
  fields = std::move(declared);
  if (!fields.empty() && columns_type != nullptr) columns = columns_type->MakeMutable(fields);
  next_fields_item = 0;
  std::unordered_map<uint32_t, uint32_t> new_item;
  for (MapRow& row : rows) {
    const auto [known, inserted] = new_item.try_emplace(row.fields_item, next_fields_item);
    const uint32_t old_item = row.fields_item;
    row.fields_item = known->second;
    if (!inserted) continue;
    ++next_fields_item;
    if (before == nullptr || columns == nullptr) continue;
    Fields values;
    for (const FieldSpec& spec : fields) {
      Result<FieldValue> value = before->Value(spec.name, old_item);
      if (!value.ok() || std::holds_alternative<std::monostate>(*value) || !HasType(*value, spec.type)) continue;
      values.emplace(spec.name, *std::move(value));
    }
    (void)columns->Put(row.fields_item, values);
  }
}

void MapState::RemoveFile(DocumentId id) {
  MapFile& file = files.at(id).back();
  file.life.until = commit;
  if (file.record.parent_id) children[*file.record.parent_id].erase(id);
}

void MapState::PutFile(const FileRecord& record) {
  files[record.id].push_back({.record = record, .life = {.since = commit}});
  paths[record.file_path].insert(record.id);
  if (record.parent_id) children[*record.parent_id].insert(record.id);
}

void MapState::Reclaim() {
  const uint64_t oldest = snapshots.empty() ? commit : *snapshots.begin();
  const auto dead = [oldest](const Lifetime& life) { return life.until <= oldest; };
  std::vector<MapRow> live;
  std::unordered_map<std::string, std::vector<Posting>> live_postings;
  std::unordered_map<DocumentId, std::vector<uint32_t>> live_rows_of;
  std::vector<uint32_t> new_row(rows.size(), 0);
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (dead(rows[row].life)) continue;
    new_row[row] = static_cast<uint32_t>(live.size());
    live_rows_of[rows[row].node.node.document_id].push_back(new_row[row]);
    live.push_back(rows[row]);
  }
  if (live.size() == rows.size()) return;
  for (const auto& [word, list] : postings) {
    for (const Posting& posting : list) {
      if (!dead(rows[posting.row].life)) live_postings[word].push_back({new_row[posting.row], posting.count});
    }
  }
  rows = std::move(live);
  RemakeColumns(fields);
  postings = std::move(live_postings);
  rows_of = std::move(live_rows_of);
  for (auto file = files.begin(); file != files.end();) {
    std::erase_if(file->second, [&](const MapFile& version) { return dead(version.life); });
    file = file->second.empty() ? files.erase(file) : std::next(file);
  }
  for (auto path = paths.begin(); path != paths.end();) {
    std::erase_if(path->second, [this](DocumentId id) { return !files.contains(id); });
    path = path->second.empty() ? paths.erase(path) : std::next(path);
  }
}

uint64_t MapState::size_bytes() const {
  uint64_t size = 0;
  for (const MapRow& row : rows) {
    size += sizeof(MapRow) + row.node.node.text.size() + row.node.vector.size() * sizeof(float);
    for (const auto& [key, vector] : row.node.named) size += key.size() + vector.size() * sizeof(float);
  }
  for (const auto& [word, list] : postings) size += word.size() + list.size() * sizeof(Posting);
  return size;
}

}  // namespace ragtime
