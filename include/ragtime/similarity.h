// SPDX-License-Identifier: Apache-2.0
//
// A Similarity of one's own says how near a node is to a question, where cosine, ip, l2 and bm25 do not say it.
//
//   kb->RegisterSimilarity("shared_letters", [](const SimilarityInput& in) { return SharedLetters(in.question,
//   in.node.text); });
//
// and in the configuration `retrievers: [{name: letters, similarity: shared_letters}]`.
//
// Threads: called concurrently. Errors: a score that is not finite, or an exception, fails the route that asked, which
// a warning names; the other routes go on.
#ifndef RAGTIME_SIMILARITY_H_
#define RAGTIME_SIMILARITY_H_

#include <functional>
#include <span>
#include <string_view>

#include "ragtime/node.h"

namespace ragtime {

struct SimilarityInput {
  std::string_view question;
  std::span<const float> question_vector;  // Empty where Similarity::uses_vectors is false.
  const Node& node;
  std::span<const float> vector;  // Of the node; empty where question_vector is.
};

// Higher is nearer. It is asked for every node of the route's group that matches the filter, so a search by it takes
// time in proportion to them.
using SimilarityFunction = std::function<double(const SimilarityInput&)>;

struct Similarity {
  SimilarityFunction score;
  bool uses_vectors = false;  // True: the question is embedded, and nodes are read with their vectors.
};

}  // namespace ragtime

#endif  // RAGTIME_SIMILARITY_H_
