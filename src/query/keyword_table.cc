// SPDX-License-Identifier: Apache-2.0
#include "query/keyword_table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "text/words.h"

namespace ragtime {
namespace {

// BM25 ranks candidates otherwise than the count of keywords does, so more of them are looked at than are wanted.
constexpr size_t kCandidatesMin = 1000;

using WordSet = std::unordered_set<std::string>;

WordSet WordsOf(std::string_view question) {
  std::vector<std::string> words = SplitWords(question);
  return WordSet(std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
}

size_t CountShared(std::string_view keywords, const WordSet& question) {
  size_t count = 0;
  for (size_t start = 0; start < keywords.size();) {
    const size_t end = std::min(keywords.find('\n', start), keywords.size());
    const std::vector<std::string> words = SplitWords(keywords.substr(start, end - start));
    // Chinese gives each character and each pair of neighbours, so that all pairs being there means the word is.
    if (!words.empty() && std::all_of(words.begin(), words.end(), [&](const auto& w) { return question.contains(w); }))
      ++count;
    start = end + 1;
  }
  return count;
}

}  // namespace

size_t CountSharedKeywords(std::string_view keywords, std::string_view question) {
  return CountShared(keywords, WordsOf(question));
}

Result<std::vector<Hit>> SearchKeywordTable(const Snapshot& snapshot, const Context& context,
                                            const std::string& question, const std::string& group, const Filter& filter,
                                            size_t limit) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> candidates,
                           snapshot.SearchKeyword(context, {.text = question,
                                                            .limit = std::max(limit, kCandidatesMin),
                                                            .group = group,
                                                            .filter = filter,
                                                            .phrases = false}));
  std::vector<NodeId> ids;
  for (const Hit& hit : candidates) ids.push_back(hit.node_id);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> nodes, snapshot.GetNodes(ids));
  const WordSet words = WordsOf(question);
  std::vector<Hit> hits;
  for (const std::optional<Node>& node : nodes) {
    if (!node) continue;
    if (const size_t shared = CountShared(node->text, words); shared > 0)
      hits.push_back({node->id, static_cast<float>(shared)});
  }
  std::sort(hits.begin(), hits.end(),
            [](const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.node_id < b.node_id; });
  if (hits.size() > limit) hits.resize(limit);
  return hits;
}

}  // namespace ragtime
