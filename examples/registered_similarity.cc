// SPDX-License-Identifier: Apache-2.0
//
// A similarity of one's own as a route beside the built-in ones: registered_similarity FOLDER "question"
// [KNOWLEDGE_BASE]
//
// It prefers nodes that answer with a number where the question asks how much, how many, or 多少.
#include <algorithm>
#include <cctype>
#include <iostream>
#include <string>

#include "ragtime/knowledge_base.h"

double NumbersWhereAsked(const ragtime::SimilarityInput& in) {
  const bool asked = in.question.find("how m") != std::string_view::npos ||
                     in.question.find("How m") != std::string_view::npos ||
                     in.question.find("多少") != std::string_view::npos;
  if (!asked) return 0;
  const std::string& text = in.node.text;
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }));
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: registered_similarity FOLDER QUESTION [KNOWLEDGE_BASE]\n";
    return 2;
  }
  ragtime::Config config;
  config.store.uri = argc > 3 ? argv[3] : "./kb";
  config.retrievers = {
      {.name = "meaning", .similarity = "cosine"},
      {.name = "words", .similarity = "bm25"},
      {.name = "numbers", .similarity = "numbers_where_asked", .similarity_cut_off = 1, .weight = 0.5}};
  auto kb = ragtime::KnowledgeBase::Open(config);
  if (!kb.ok()) return std::cerr << kb.status().ToString() << "\n", 1;
  const ragtime::Status status = (*kb)->RegisterSimilarity("numbers_where_asked", {.score = NumbersWhereAsked});
  if (!status.ok()) return std::cerr << status.ToString() << "\n", 1;

  auto report = (*kb)->Ingest({argv[1]});
  if (!report.ok()) return std::cerr << report.status().ToString() << "\n", 1;

  auto result = (*kb)->Search({.query = argv[2]});
  if (!result.ok()) return std::cerr << result.status().ToString() << "\n", 1;
  for (const ragtime::SearchHit& hit : result->hits) {
    std::cout << hit.file << " " << hit.score;
    for (const auto& [route, score] : hit.scores) std::cout << " " << route << "=" << score;
    std::cout << "\n";
  }
}
