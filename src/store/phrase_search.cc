// SPDX-License-Identifier: Apache-2.0
#include "store/phrase_search.h"

#include <algorithm>
#include <cstdint>

#include "base/str_cat.h"
#include "store/row_filter.h"

namespace ragtime {
namespace {

// Rows scored at first, and how many times as many when too few of them hold the phrases.
constexpr size_t kFirstDepth = 64;
constexpr size_t kDeeper = 4;
constexpr size_t kTextsPerCheck = 64;

// The rows that hold a word for each place of each phrase.
Result<RowWords> RowsWithAllWords(const KeywordIndex& index, uint32_t rows, std::span<const Phrase> phrases) {
  RowWords all((size_t{rows} + 63) / 64);
  SetRows(all, 0, rows);
  RowWords here;
  for (const Phrase& phrase : phrases) {
    for (const std::vector<std::string>& words : phrase.alternatives()) {
      here.assign(all.size(), 0);
      for (const std::string& word : words) RAGTIME_RETURN_IF_ERROR(index.MarkRows(word, here));
      for (size_t i = 0; i < all.size(); ++i) all[i] &= here[i];
    }
  }
  return all;
}

}  // namespace

Result<std::vector<RowHit>> SearchWords(const Context& context, const Segment& segment,
                                        std::span<const WeightedTerm> terms, std::span<const Phrase> phrases,
                                        const KeywordStatistics& statistics, size_t limit,
                                        const RowSelection& selection) {
  RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, segment.keyword_index());
  if (phrases.empty()) return index->Search(context, terms, statistics, limit, selection);

  RAGTIME_ASSIGN_OR_RETURN(RowWords words, RowsWithAllWords(*index, segment.rows(), phrases));
  const std::span<const uint64_t> excluded = selection.excluded.words;
  for (size_t i = 0; i < std::min(words.size(), excluded.size()); ++i) words[i] &= ~excluded[i];
  std::vector<uint32_t> listed;
  ForEachRow(words, [&listed](uint32_t row) { listed.push_back(row); });
  std::vector<RowHit> hits;
  if (listed.empty()) return hits;
  for (uint64_t& word : words) word = ~word;
  RowSelection candidates({words}, listed);
  candidates.least_score = selection.least_score;

  TextBlockCache cache;
  size_t read = 0;
  for (size_t depth = std::max(kFirstDepth, limit);; depth *= kDeeper) {
    depth = std::min(depth, listed.size());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RowHit> found,
                             index->Search(context, terms, statistics, depth, candidates));
    for (; read < found.size() && hits.size() < limit; ++read) {
      if (read % kTextsPerCheck == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      if (found[read].score < selection.least_score) return hits;
      if (found[read].row >= segment.rows())
        return DataLossError(StrCat("an index of ", segment.name(), " is damaged"));
      RAGTIME_ASSIGN_OR_RETURN(const Node node, segment.ReadNode(found[read].row, cache));
      if (HoldsPhrases(node.text, phrases)) hits.push_back(found[read]);
    }
    if (hits.size() == limit || found.size() < depth || depth == listed.size()) return hits;
  }
}

}  // namespace ragtime
