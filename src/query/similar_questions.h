// SPDX-License-Identifier: Apache-2.0
//
// SimilarQuestions remembers the questions that were answered, and finds the one that a new question nearly repeats.
//
// Three gates, each of which can only say no:
// - the vectors of both are close (`min_cosine`);
// - recall finds the same for both: the best node is the same, and every node that the answer quotes is among the
//   passages of the new question. An id is a version, so that changed text is another node;
// - both say the same in nearly the same words (SayTheSame).
//
// Threads: every method may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_SIMILAR_QUESTIONS_H_
#define RAGTIME_QUERY_SIMILAR_QUESTIONS_H_

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/node.h"

namespace ragtime {

// Whether two questions, English or Chinese, ask for the same, told by their words alone and rather no than yes: their
// words in their order are equal once courtesies ("could you tell me"), function words, endings and some synonyms
// ("remove", "delete") are gone. So numbers, negations, names, modal words ("can", "must"), directions ("from", "to")
// and what is asked for (how, why, when, how many) agree. A phrase in front ("In PostgreSQL, how ...") counts as
// behind.
bool SayTheSame(std::string_view a, std::string_view b);

struct AnsweredQuestion {
  std::string scope;  // What must be equal: generation, configuration, filter, route, mode.
  std::string question;
  std::vector<float> vector;
  NodeId best_node = 0;
  std::vector<NodeId> quoted_nodes;
  std::string identity;  // Of its answer in the cache.
};

struct NewQuestion {
  std::string_view scope;
  std::string_view question;
  std::span<const float> vector;
  std::span<const NodeId> nodes;  // That recall found, best first: as many as an answer has passages.
  double min_cosine = 1;
};

class SimilarQuestions {
 public:
  void Remember(AnsweredQuestion question);
  // The nearest of those that pass all gates.
  std::optional<AnsweredQuestion> Find(const NewQuestion& question) const;

 private:
  mutable std::mutex mutex_;
  std::deque<AnsweredQuestion> questions_;  // Guarded by mutex_. The last kRememberedMax.
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_SIMILAR_QUESTIONS_H_
