// SPDX-License-Identifier: Apache-2.0
//
// From a folder of documents to a cited answer, in a dozen lines: first_answer FOLDER "question" [KNOWLEDGE_BASE]
#include <iostream>

#include "ragtime/knowledge_base.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: first_answer FOLDER QUESTION [KNOWLEDGE_BASE]\n";
    return 2;
  }
  ragtime::Config config;
  config.store.uri = argc > 3 ? argv[3] : "./kb";
  auto kb = ragtime::KnowledgeBase::Open(config);
  if (!kb.ok()) return std::cerr << kb.status().ToString() << "\n", 1;

  auto report = (*kb)->Ingest({argv[1]});
  if (!report.ok()) return std::cerr << report.status().ToString() << "\n", 1;

  auto answer = (*kb)->Ask({.question = argv[2]});
  if (!answer.ok()) return std::cerr << answer.status().ToString() << "\n", 1;

  std::cout << answer->text << "\n";
  for (const ragtime::Citation& citation : answer->citations) {
    std::cout << "[" << citation.marker << "] " << citation.file << ": " << citation.quote << "\n";
  }
}
