// SPDX-License-Identifier: Apache-2.0
#include "testing/store_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "base/str_cat.h"
#include "testing/naive_index.h"
#include "testing/status_matchers.h"
#include "text/words.h"

namespace ragtime {
namespace {

std::string LastPart(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::set<std::string> FoldersOf(const std::string& path) {
  std::set<std::string> folders;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    folders.insert(path.substr(0, slash));
  }
  return folders;
}

// The finest words of a text of RandomText, told by another rule than the index has: each character of Chinese, and
// runs of letters or of digits. What is no word (an emoji, 。) is left out.
std::vector<std::string> PiecesOf(const std::string& text) {
  std::vector<std::string> pieces;
  char kind_before = ' ';
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    const std::string character = text.substr(i, size);
    char kind = size == 2 || std::isalpha(byte) != 0 ? 'a' : std::isdigit(byte) != 0 ? '1' : ' ';
    if (size == 3 && character != "。") kind = 'c';
    if (kind == kind_before && (kind == 'a' || kind == '1')) {
      pieces.back() += character;
    } else if (kind != ' ') {
      pieces.push_back(character);
    }
    kind_before = kind;
    i += size;
  }
  return pieces;
}

std::string Joined(std::span<const std::string> pieces) {
  std::string joined = " ";
  for (const std::string& piece : pieces) joined += piece + " ";
  return joined;
}

// Up to four neighbouring pieces.
std::string RandomPhrase(Random& random, const std::string& text) {
  const std::vector<std::string> pieces = PiecesOf(text);
  if (pieces.empty()) return "";
  const size_t first = random.Below(pieces.size());
  return Joined(std::span(pieces).subspan(first, std::min<size_t>(1 + random.Below(4), pieces.size() - first)));
}

}  // namespace

void StoreModel::Apply(const WriteBatch& batch, const CommitResult& result) {
  ASSERT_EQ(result.document_ids.size(), batch.documents.size());
  bool changed = batch.fields && *batch.fields != fields_;
  if (batch.fields) fields_ = *batch.fields;
  dimensions_.insert(batch.dimensions.begin(), batch.dimensions.end());
  const auto clear = [&](const Document& document) {
    for (const NewNode& node : document.nodes) gone_.insert(node.node.id);
    changed = changed || !document.nodes.empty();
  };
  for (const DocumentId id : batch.erased) {
    const auto found = std::find_if(documents_.begin(), documents_.end(),
                                    [id](const auto& entry) { return entry.second.file.id == id; });
    if (found == documents_.end()) continue;
    clear(found->second);
    documents_.erase(found);
  }
  std::map<DocumentId, Document> kept;
  for (const DocumentWrite& write : batch.documents) {
    if (!write.keep_id) continue;
    const auto found = std::find_if(documents_.begin(), documents_.end(),
                                    [&](const auto& entry) { return entry.second.file.id == write.file.id; });
    ASSERT_NE(found, documents_.end());
    kept.emplace(write.file.id, found->second);
    documents_.erase(found);
  }
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const DocumentWrite& write = batch.documents[i];
    const std::string& path = write.file.file_path;
    Document document{.file = write.file, .nodes = write.nodes};
    if (const auto found = documents_.find(path); found != documents_.end()) {
      clear(found->second);
      documents_.erase(found);
    }
    document.file.id = result.document_ids[i];
    document.file.file_name = LastPart(path);
    document.file.parent_id = std::nullopt;
    if (write.keep_id) {
      EXPECT_EQ(document.file.id, write.file.id);
      const Document& before = kept.at(write.file.id);
      document.nodes = before.nodes;
      document.file.fields = before.file.fields;
      changed = changed || (!before.nodes.empty() &&
                            (before.file.file_path != path || before.file.file_type != write.file.file_type ||
                             before.file.encoding != write.file.encoding));
    } else {
      for (NewNode& node : document.nodes) {
        node.node.id = next_node_id_++;
        node.node.document_id = document.file.id;
        changed = true;
      }
    }
    document.file.nodes = document.nodes.size();
    documents_[path] = std::move(document);
  }
  if (changed) ++generation_;
  EXPECT_EQ(result.generation, generation_);
}

std::vector<const NewNode*> StoreModel::LiveNodes() const {
  std::vector<const NewNode*> nodes;
  for (const auto& [path, document] : documents_) {
    for (const NewNode& node : document.nodes) nodes.push_back(&node);
  }
  std::sort(nodes.begin(), nodes.end(), [](const NewNode* a, const NewNode* b) { return a->node.id < b->node.id; });
  return nodes;
}

void StoreModel::ExpectEqual(const Snapshot& snapshot, Random& random) const {
  EXPECT_EQ(snapshot.generation(), generation_);
  ExpectEqualFiles(snapshot);
  ExpectEqualNodes(snapshot, random);
  EXPECT_EQ(snapshot.fields(), fields_);
  for (int i = 0; i < 3; ++i) {
    ExpectEqualCounts(snapshot, random);
    ExpectEqualVectorSearch(snapshot, random);
    ExpectEqualKeywordSearch(snapshot, random);
  }
}

void StoreModel::ExpectEqualFiles(const Snapshot& snapshot) const {
  std::set<std::string> expected_folders;
  for (const auto& [path, document] : documents_) expected_folders.merge(FoldersOf(path));
  const std::vector<FileRecord> files = Value(snapshot.Files());
  EXPECT_TRUE(std::is_sorted(files.begin(), files.end(),
                             [](const FileRecord& a, const FileRecord& b) { return a.file_path < b.file_path; }));
  std::map<DocumentId, std::string> path_of;
  for (const FileRecord& file : files) EXPECT_TRUE(path_of.emplace(file.id, file.file_path).second) << "an id twice";
  std::set<std::string> folders;
  size_t documents = 0;
  for (const FileRecord& file : files) {
    EXPECT_GT(file.id, 0);
    const size_t slash = file.file_path.rfind('/');
    if (slash == std::string::npos) {
      EXPECT_EQ(file.parent_id, std::nullopt);
    } else {
      ASSERT_TRUE(file.parent_id.has_value()) << file.file_path;
      EXPECT_EQ(path_of[*file.parent_id], file.file_path.substr(0, slash));
    }
    EXPECT_EQ(Value(snapshot.FindFile(file.id)), file);
    EXPECT_EQ(Value(snapshot.FindFile(file.file_path)), file);
    if (file.is_dir) {
      folders.insert(file.file_path);
      EXPECT_EQ(file.file_name, LastPart(file.file_path));
      EXPECT_EQ(file.status, FileStatus::kReady);
      continue;
    }
    ++documents;
    const auto found = documents_.find(file.file_path);
    ASSERT_NE(found, documents_.end()) << file.file_path;
    FileRecord without_parent = file;
    without_parent.parent_id = std::nullopt;
    EXPECT_EQ(without_parent, found->second.file) << file.file_path;
  }
  EXPECT_EQ(folders, expected_folders);
  EXPECT_EQ(documents, documents_.size());
  EXPECT_EQ(Value(snapshot.FindFile(DocumentId{1'000'000})), std::nullopt);
  EXPECT_EQ(Value(snapshot.FindFile("no/such/file")), std::nullopt);
  std::vector<DocumentId> ids = {1'000'000};
  for (const FileRecord& file : files) ids.insert(ids.begin(), file.id);
  const std::vector<std::optional<FileRecord>> found = Value(snapshot.FindFiles(ids));
  ASSERT_EQ(found.size(), ids.size());
  EXPECT_EQ(found.back(), std::nullopt);
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(found[files.size() - 1 - i], files[i]);

  const StoreStatistics statistics = Value(snapshot.Statistics());
  EXPECT_EQ(statistics.files, documents_.size());
  EXPECT_EQ(statistics.folders, expected_folders.size());
  EXPECT_EQ(statistics.nodes, LiveNodes().size());
  EXPECT_LE(statistics.tail_nodes, statistics.nodes);
}

void StoreModel::ExpectEqualNodes(const Snapshot& snapshot, Random& random) const {
  std::vector<NodeId> ids = {0, -1, next_node_id_, next_node_id_ + 100};
  std::map<NodeId, const Node*> expected;
  for (const NewNode* node : LiveNodes()) {
    ids.push_back(node->node.id);
    expected[node->node.id] = &node->node;
  }
  ids.insert(ids.end(), gone_.begin(), gone_.end());
  for (size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random.Below(i)]);
  ids.push_back(ids.front());  // Asked twice.
  const auto nodes = Value(snapshot.GetNodes(ids));
  ASSERT_EQ(nodes.size(), ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto found = expected.find(ids[i]);
    ASSERT_EQ(nodes[i].has_value(), found != expected.end()) << "node " << ids[i];
    if (nodes[i].has_value()) {
      EXPECT_EQ(*nodes[i], *found->second);
    }
  }
  for (const auto& [path, document] : documents_) {
    const std::vector<NewNode> found = Value(snapshot.NodesOf(document.file.id));
    ASSERT_EQ(found.size(), document.nodes.size()) << path;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].node, document.nodes[i].node);
      EXPECT_EQ(found[i].vector, document.nodes[i].vector);
      EXPECT_EQ(found[i].named, document.nodes[i].named);
    }
  }
  EXPECT_TRUE(Value(snapshot.NodesOf(1'000'000)).empty());
}

// Floats may differ in the last digits, and then so may the order of those that are that near.
void StoreModel::ExpectHits(const std::vector<Hit>& hits, const std::map<NodeId, double>& scores, size_t limit) const {
  std::vector<double> best;
  for (const auto& [id, score] : scores) best.push_back(score);
  std::sort(best.rbegin(), best.rend());
  ASSERT_EQ(hits.size(), std::min(limit, best.size()));
  std::set<NodeId> seen;
  for (size_t i = 0; i < hits.size(); ++i) {
    const double tolerance = 1e-5 * (1 + std::abs(best[i]));
    EXPECT_NEAR(hits[i].score, best[i], tolerance) << "rank " << i;
    const auto own = scores.find(hits[i].node_id);
    ASSERT_NE(own, scores.end()) << "node " << hits[i].node_id << " must not be found";
    EXPECT_NEAR(hits[i].score, own->second, tolerance);
    EXPECT_TRUE(seen.insert(hits[i].node_id).second) << "found twice";
    if (i == 0) continue;
    EXPECT_TRUE(hits[i - 1].score > hits[i].score ||
                (hits[i - 1].score == hits[i].score && hits[i - 1].node_id < hits[i].node_id));
  }
}

void StoreModel::ExpectEqualVectorSearch(const Snapshot& snapshot, Random& random) const {
  const auto nodes = LiveNodes();
  if (nodes.empty() || nodes.front()->vector.empty()) return;
  std::string key;
  if (!dimensions_.empty() && random.OneIn(2)) {
    key = std::next(dimensions_.begin(), static_cast<std::ptrdiff_t>(random.Below(dimensions_.size())))->first;
  }
  const auto vector_of = [&key](const NewNode& node) -> const std::vector<float>* {
    if (key.empty()) return &node.vector;
    const auto found = node.named.find(key);
    return found == node.named.end() ? nullptr : &found->second;
  };
  const std::vector<float>* const known = random.OneIn(3) ? vector_of(*nodes[random.Below(nodes.size())]) : nullptr;
  const std::vector<float> query = known != nullptr ? *known
                                                    : RandomVector(random, key.empty() ? nodes.front()->vector.size()
                                                                                       : dimensions_.find(key)->second);
  const std::string group = random.OneIn(2)   ? ""
                            : random.OneIn(3) ? "none"
                            : random.OneIn(2) ? "paragraph"
                                              : "sentence-256";
  const size_t limit = random.OneIn(4) ? nodes.size() + 10 : random.Below(12);
  std::map<NodeId, double> scores;
  const Filter filter = AnyFilter(random);
  for (const NewNode* node : nodes) {
    const std::vector<float>* const vector = vector_of(*node);
    if (vector != nullptr && (group.empty() || node->node.group == group) && Matches(filter, *node)) {
      scores[node->node.id] = NaiveVectorScore(query, *vector, metric_);
    }
  }
  SCOPED_TRACE("vector search, key \"" + key + "\", group \"" + group + "\", limit " + std::to_string(limit) + ", " +
               filter.ToString());
  ExpectHits(
      Value(snapshot.SearchVector({}, {.vector = query, .limit = limit, .group = group, .filter = filter, .key = key})),
      scores, limit);
}

Filter StoreModel::AnyFilter(Random& random) const {
  if (fields_.empty() || random.OneIn(2)) return {};
  return Value(Filter::Parse(RandomFilter(random), NodeFields(fields_)));
}

bool StoreModel::Matches(const Filter& filter, const NewNode& node) const {
  const auto document = std::find_if(documents_.begin(), documents_.end(), [&node](const auto& entry) {
    return entry.second.file.id == node.node.document_id;
  });
  FieldValue value;
  return filter.Matches([&](std::string_view field) -> const FieldValue& {
    value = FileFieldValue(document->second.file, field);
    if (field == "group") value = node.node.group;
    if (field == "position") value = int64_t{node.node.position};
    if (field == "page") value = node.node.page ? FieldValue(int64_t{*node.node.page}) : FieldValue();
    return value;
  });
}

void StoreModel::ExpectEqualCounts(const Snapshot& snapshot, Random& random) const {
  const Filter filter = AnyFilter(random);
  SCOPED_TRACE("nodes that match " + filter.ToString());
  std::vector<NodeId> expected;
  for (const NewNode* node : LiveNodes()) {
    if (Matches(filter, *node)) expected.push_back(node->node.id);
  }
  EXPECT_EQ(Value(snapshot.CountNodes({}, filter)), expected.size());
  std::vector<NodeId> visited;
  const size_t stop_at = random.OneIn(2) ? expected.size() + 1 : random.Below(expected.size() + 1) + 1;
  EXPECT_OK(snapshot.VisitNodes({}, filter, [&](const NodeRow& row) {
    visited.push_back(row.node_id);
    return visited.size() < stop_at;
  }));
  expected.resize(std::min(expected.size(), stop_at));
  EXPECT_EQ(visited, expected);
}

void StoreModel::ExpectEqualKeywordSearch(const Snapshot& snapshot, Random& random) const {
  const auto nodes = LiveNodes();
  std::string text = RandomText(random, 1 + random.Below(5)) + (random.OneIn(3) ? " unseen 没有" : "");
  // What stands in quotes, and what beside them.
  std::vector<std::string> phrases;
  std::vector<std::string> loose = {text};
  for (uint64_t i = random.OneIn(2) ? 1 + random.Below(2) : 0; i > 0; --i) {
    static constexpr std::pair<const char*, const char*> kQuotes[] = {{"\"", "\""}, {"“", "”"}, {"「", "」"}};
    const auto& [open, close] = kQuotes[random.Below(std::size(kQuotes))];
    phrases.push_back(nodes.empty() || random.OneIn(3)
                          ? RandomText(random, 1 + random.Below(2))
                          : RandomPhrase(random, nodes[random.Below(nodes.size())]->node.text));
    loose.push_back(random.OneIn(3) ? RandomText(random, 1) : "");
    text += StrCat(" ", open, phrases.back(), close, " ", loose.back());
  }
  const std::string group = random.OneIn(2)   ? ""
                            : random.OneIn(3) ? "none"
                            : random.OneIn(2) ? "paragraph"
                                              : "sentence-256";
  const size_t limit = random.OneIn(4) ? nodes.size() + 10 : random.Below(12);
  std::map<NodeId, std::vector<std::string>> words;
  KeywordStatistics statistics;
  for (const NewNode* node : nodes) {
    const auto& of_node = words[node->node.id] = SplitWords(node->node.text);
    ++statistics.nodes;
    statistics.tokens += of_node.size();
  }
  const auto count = [&words](const std::vector<std::string>& query_words) {
    std::map<std::string, WeightedTerm> terms;
    for (const std::string& word : query_words) {
      const auto [term, inserted] = terms.try_emplace(word, WeightedTerm{.term = word, .weight = 0});
      term->second.weight += 1;
      if (!inserted) continue;
      for (const auto& [id, of_node] : words) {
        term->second.nodes += std::find(of_node.begin(), of_node.end(), word) != of_node.end();
      }
    }
    std::vector<WeightedTerm> known;
    for (const auto& [word, term] : terms) {
      if (term.nodes > 0) known.push_back(term);
    }
    return known;
  };
  // Of phrases, and where no word of the question is known, single characters of Chinese count too.
  std::vector<std::string> query_words;
  for (const std::string& part : loose) {
    for (std::string& word : QueryWords(part)) query_words.push_back(std::move(word));
  }
  for (const std::string& part : phrases) {
    for (std::string& word : SplitWords(part)) query_words.push_back(std::move(word));
  }
  std::vector<WeightedTerm> all = count(query_words);
  if (all.empty()) all = count(SplitWords(text));
  std::map<NodeId, double> scores;
  const Filter filter = AnyFilter(random);
  for (const NewNode* node : nodes) {
    if ((!group.empty() && node->node.group != group) || !Matches(filter, *node)) continue;
    const bool held = std::all_of(phrases.begin(), phrases.end(), [node](const std::string& phrase) {
      return Joined(PiecesOf(node->node.text)).find(Joined(PiecesOf(phrase))) != std::string::npos;
    });
    if (!held) continue;
    const double score = NaiveBm25Score(words[node->node.id], all, statistics);
    if (score > 0) scores[node->node.id] = score;
  }
  SCOPED_TRACE("keyword search for \"" + text + "\", group \"" + group + "\", limit " + std::to_string(limit) + ", " +
               filter.ToString());
  ExpectHits(Value(snapshot.SearchKeyword({}, {.text = text, .limit = limit, .group = group, .filter = filter})),
             scores, limit);
}

}  // namespace ragtime
