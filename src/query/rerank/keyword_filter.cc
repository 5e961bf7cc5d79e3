// SPDX-License-Identifier: Apache-2.0
#include "query/rerank/keyword_filter.h"

#include <algorithm>
#include <unordered_set>

#include "text/words.h"

namespace ragtime {
namespace {

std::vector<std::vector<std::string>> WordsOfPhrases(std::span<const std::string> phrases) {
  std::vector<std::vector<std::string>> result;
  for (const std::string& phrase : phrases) {
    std::vector<std::string> words = QueryWords(phrase);
    if (!words.empty()) result.push_back(std::move(words));
  }
  return result;
}

}  // namespace

KeywordFilter::KeywordFilter(std::span<const std::string> required, std::span<const std::string> excluded)
    : required_(WordsOfPhrases(required)), excluded_(WordsOfPhrases(excluded)) {}

Result<std::vector<RankedCandidate>> KeywordFilter::Rerank(const Context& context, std::string_view,
                                                           std::span<const RerankCandidate> candidates) const {
  std::vector<RankedCandidate> kept;
  for (size_t i = 0; i < candidates.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const std::vector<std::string> words = SplitWords(candidates[i].text);
    const std::unordered_set<std::string_view> known(words.begin(), words.end());
    auto holds = [&known](const std::vector<std::string>& phrase) {
      return std::all_of(phrase.begin(), phrase.end(), [&](const std::string& word) { return known.contains(word); });
    };
    if (!std::all_of(required_.begin(), required_.end(), holds)) continue;
    if (std::any_of(excluded_.begin(), excluded_.end(), holds)) continue;
    kept.push_back({i, candidates[i].score});
  }
  return kept;
}

}  // namespace ragtime
