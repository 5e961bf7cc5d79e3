// SPDX-License-Identifier: Apache-2.0
//
// KeptResults keeps search results and answers of one knowledge base in one state, and finds them again.
//
// Threads: immutable; may be shared. Errors: none; what cannot be read, or was made by another version, is a miss.
#ifndef RAGTIME_ENGINE_KEPT_RESULTS_H_
#define RAGTIME_ENGINE_KEPT_RESULTS_H_

#include <optional>
#include <string>
#include <string_view>

#include "cache/cache_namespace.h"
#include "query/conversation.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

// A search or a question with everything about it that can change its result, as the identity of what is kept.
std::string SearchIdentity(const SearchRequest& request, size_t top_k, Route route);
// `conversation` is what the model gets before the question.
std::string AskIdentity(const AskRequest& request, Route route, AnswerMode mode, const Conversation& conversation);

// Whether a result is what the same request would give again: no route, model or server was missing or late.
bool WorthKeeping(const std::vector<Warning>& warnings);

class KeptResults {
 public:
  explicit KeptResults(CacheNamespace kept) : kept_(std::move(kept)) {}

  // `cached` is true in what is found; timings are not kept.
  std::optional<SearchResult> FindSearch(const Context& context, std::string_view identity) const;
  void KeepSearch(const Context& context, std::string_view identity, const SearchResult& result) const;
  std::optional<Answer> FindAnswer(const Context& context, std::string_view identity) const;
  void KeepAnswer(const Context& context, std::string_view identity, const Answer& answer) const;

 private:
  const CacheNamespace kept_;
};

// The conversations of one knowledge base, at any generation.
Conversation LoadConversation(const CacheNamespace& sessions, const AskRequest& request);
void KeepConversation(const CacheNamespace& sessions, const AskRequest& request, const Conversation& conversation);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_KEPT_RESULTS_H_
