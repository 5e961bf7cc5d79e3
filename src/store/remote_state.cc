// SPDX-License-Identifier: Apache-2.0
#include "store/remote_state.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/str_cat.h"
#include "store/batch_check.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

// The first nodes of so many documents stand in one setting, "_nodes/<id / 256>". A setting whose documents are all
// gone is empty and stays.
constexpr char kNodesPrefix[] = "_nodes/";
constexpr DocumentId kDocumentsPerSetting = 256;

Status Damaged(std::string_view what) {
  return DataLossError(StrCat("the catalog of the knowledge base is damaged: ", what), "ingest the documents again");
}

// Calls `use` with the two numbers of each "a+b" of a text that is separated by blanks; false where it is not one.
template <typename Use>
bool ForEachPair(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    int64_t first = 0;
    int64_t second = 0;
    const auto [middle, error] = std::from_chars(word.data(), word.data() + word.size(), first);
    if (error != std::errc() || middle == word.data() + word.size() || *middle != '+') return false;
    const auto [end, second_error] = std::from_chars(middle + 1, word.data() + word.size(), second);
    if (second_error != std::errc() || end != word.data() + word.size() || first <= 0 || second <= 0) return false;
    use(first, second);
  }
  return true;
}

}  // namespace

std::string EncodeRanges(const std::vector<NodeRange>& ranges) {
  std::string text;
  for (const NodeRange& range : ranges) text += StrCat(text.empty() ? "" : " ", range.first, "+", range.count);
  return text;
}

Result<std::vector<NodeRange>> DecodeRanges(std::string_view text) {
  std::vector<NodeRange> ranges;
  const bool good =
      ForEachPair(text, [&](int64_t first, int64_t count) { ranges.push_back({first, static_cast<uint64_t>(count)}); });
  if (!good) return Damaged(StrCat("\"", text.substr(0, 100), "\" is no list of nodes"));
  return ranges;
}

RemoteState::RemoteState(const RemoteState& other)
    : FileRows(),
      counters_(other.counters_),
      settings_(other.settings_),
      by_path_(other.by_path_),
      by_id_(other.by_id_),
      children_(other.children_),
      first_nodes_(other.first_nodes_),
      fields_(other.fields_),
      retired_(other.retired_),
      dimension_(other.dimension_),
      metric_(other.metric_) {}

Result<std::shared_ptr<const RemoteState>> RemoteState::Of(SharedState state) {
  std::shared_ptr<RemoteState> made(new RemoteState());
  made->counters_ = state.counters;
  for (const auto& [key, value] : state.settings) RAGTIME_RETURN_IF_ERROR(made->TakeSetting(key, value));
  for (FileRecord& file : state.files) RAGTIME_RETURN_IF_ERROR(made->Put(std::move(file)));
  RAGTIME_RETURN_IF_ERROR(made->Finish());
  return std::shared_ptr<const RemoteState>(std::move(made));
}

Result<std::shared_ptr<const RemoteState>> RemoteState::After(const SharedChange& change) const {
  std::shared_ptr<RemoteState> made(new RemoteState(*this));
  made->counters_ = change.counters;
  for (const DocumentId id : change.removed) {
    const auto found = made->by_id_.find(id);
    if (found == made->by_id_.end()) continue;
    const FilePtr file = found->second;
    made->by_id_.erase(found);
    if (const auto at = made->by_path_.find(file->file_path); at != made->by_path_.end() && at->second->id == id) {
      made->by_path_.erase(at);
    }
    if (file->parent_id) made->children_[*file->parent_id].erase(id);
    made->children_.erase(id);
  }
  for (const auto& [key, value] : change.settings) RAGTIME_RETURN_IF_ERROR(made->TakeSetting(key, value));
  for (const FileRecord& file : change.put) RAGTIME_RETURN_IF_ERROR(made->Put(file));
  RAGTIME_RETURN_IF_ERROR(made->Finish());
  return std::shared_ptr<const RemoteState>(std::move(made));
}

std::map<std::string, std::string> RemoteState::NodeSettings(const std::map<DocumentId, NodeId>& documents) const {
  std::map<DocumentId, std::map<DocumentId, NodeId>> changed;  // By setting.
  for (const auto& [id, first] : documents) {
    auto& bucket = changed[id / kDocumentsPerSetting];
    if (bucket.empty()) {
      const DocumentId start = id / kDocumentsPerSetting * kDocumentsPerSetting;
      bucket = {first_nodes_.lower_bound(start), first_nodes_.lower_bound(start + kDocumentsPerSetting)};
    }
    if (first == 0) {
      bucket.erase(id);
      if (bucket.empty()) bucket[0] = 0;  // So that it is not filled anew.
    } else {
      bucket[id] = first;
    }
  }
  std::map<std::string, std::string> settings;
  for (const auto& [number, bucket] : changed) {
    std::string text;
    for (const auto& [id, first] : bucket) {
      if (id != 0) text += StrCat(text.empty() ? "" : " ", id, "+", first);
    }
    settings[StrCat(kNodesPrefix, number)] = std::move(text);
  }
  return settings;
}

Status RemoteState::TakeSetting(const std::string& key, const std::string& value) {
  settings_[key] = value;
  if (key.starts_with(kNodesPrefix)) {
    const DocumentId start = std::strtoll(key.c_str() + sizeof(kNodesPrefix) - 1, nullptr, 10) * kDocumentsPerSetting;
    first_nodes_.erase(first_nodes_.lower_bound(start), first_nodes_.lower_bound(start + kDocumentsPerSetting));
    const bool good = ForEachPair(value, [&](DocumentId id, NodeId first) { first_nodes_[id] = first; });
    if (!good) return Damaged(StrCat("the setting ", key, " cannot be read"));
  } else if (key == kRetiredSetting) {
    RAGTIME_ASSIGN_OR_RETURN(retired_, DecodeRanges(value));
  } else if (key == kFieldsSetting) {
    RAGTIME_ASSIGN_OR_RETURN(fields_, DecodeFieldSpecs(value));
  } else if (key == "dimension") {
    size_t dimension = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), dimension);
    if (error != std::errc() || end != value.data() + value.size()) return Damaged("the dimension is no number");
    dimension_ = dimension;
  } else if (key == "metric") {
    const std::optional<Metric> metric = ParseMetric(value);
    if (!metric) return Damaged(StrCat("the metric is \"", value, "\""));
    metric_ = *metric;
  }
  return Status();
}

Status RemoteState::Put(FileRecord file) {
  const auto row = std::make_shared<const FileRecord>(std::move(file));
  const auto [at, inserted] = by_path_.try_emplace(row->file_path, row);
  if (!inserted) return Damaged(StrCat("it holds the file ", row->file_path, " twice"));
  by_id_[row->id] = row;
  if (row->parent_id) children_[*row->parent_id].insert(row->id);
  return Status();
}

Status RemoteState::Finish() {
  // Documents that are gone may still stand in a setting that the catalog of a SQL database kept.
  std::erase_if(first_nodes_, [this](const auto& entry) { return !by_id_.contains(entry.first); });
  for (const auto& [id, first] : first_nodes_) document_of_[first] = id;
  for (const auto& [id, file] : by_id_) {
    folders_ += file->is_dir ? 1 : 0;
    nodes_ += file->nodes;
  }
  // New ids would be those of what is there, and the next writer would erase it as left by a dead one.
  if (!by_id_.empty() && by_id_.rbegin()->first >= counters_.next_document_id) {
    return Damaged(
        StrCat("it holds the document ", by_id_.rbegin()->first, " and counts to ", counters_.next_document_id));
  }
  for (const auto& [first, id] : document_of_) {
    const auto room = static_cast<uint64_t>(std::max<NodeId>(0, counters_.next_node_id - first));
    if (by_id_.at(id)->nodes > room) {
      return Damaged(StrCat("it holds ", by_id_.at(id)->nodes, " nodes from ", first, " on and counts to ",
                            counters_.next_node_id));
    }
  }
  return Status();
}

std::optional<std::string> RemoteState::Setting(std::string_view key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() ? std::nullopt : std::optional(found->second);
}

RemoteState::FilePtr RemoteState::FindDocument(DocumentId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

NodeRange RemoteState::RangeOf(DocumentId id) const {
  const auto first = first_nodes_.find(id);
  return first == first_nodes_.end() ? NodeRange() : NodeRange{first->second, by_id_.at(id)->nodes};
}

RemoteState::FilePtr RemoteState::FindDocumentOfNode(NodeId node) const {
  auto after = document_of_.upper_bound(node);
  if (after == document_of_.begin()) return nullptr;
  --after;
  const FilePtr& file = by_id_.at(after->second);
  return static_cast<uint64_t>(node - after->first) < file->nodes ? file : nullptr;
}

Result<std::optional<FileRecord>> RemoteState::Find(DocumentId id) const {
  const FilePtr file = FindDocument(id);
  return file == nullptr ? std::optional<FileRecord>() : std::optional(*file);
}

Result<std::optional<FileRecord>> RemoteState::Find(std::string_view file_path) const {
  const auto found = by_path_.find(file_path);
  return found == by_path_.end() ? std::optional<FileRecord>() : std::optional(*found->second);
}

Result<uint64_t> RemoteState::CountChildren(DocumentId folder) const {
  const auto found = children_.find(folder);
  return found == children_.end() ? 0 : found->second.size();
}

Result<std::vector<DocumentId>> RemoteState::Children(DocumentId folder) const {
  const auto found = children_.find(folder);
  if (found == children_.end()) return std::vector<DocumentId>();
  return std::vector<DocumentId>(found->second.begin(), found->second.end());
}

}  // namespace ragtime
