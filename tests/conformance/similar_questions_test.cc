// SPDX-License-Identifier: Apache-2.0
//
// Goal: no answer is ever given again to a question that asks for something else. Method: tests/data/
// similar_questions.tsv, pairs of paraphrases and of near misses, in English and Chinese, through the gates of words
// and vectors with the real embedder, as if recall had found the same for both; prints how many paraphrases pass.
#include "query/similar_questions.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "model/local/local_embedder.h"
#include "ragtime/config.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

struct Pair {
  bool same = false;
  std::string first;
  std::string second;
};

std::vector<Pair> ReadPairs() {
  std::ifstream file(RAGTIME_SOURCE_DIR "/tests/data/similar_questions.tsv");
  std::vector<Pair> pairs;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    const size_t tab = line.find('\t');
    const size_t next = line.find('\t', tab + 1);
    pairs.push_back({line.substr(0, tab) == "same", line.substr(tab + 1, next - tab - 1), line.substr(next + 1)});
  }
  return pairs;
}

TEST(SimilarQuestions, NoNearMissPassesByItsWordsAlone) {
  size_t same = 0;
  size_t different = 0;
  size_t passed = 0;
  for (const Pair& pair : ReadPairs()) {
    const bool passes = SayTheSame(pair.first, pair.second);
    EXPECT_EQ(passes, SayTheSame(pair.second, pair.first)) << pair.first << " | " << pair.second;
    EXPECT_TRUE(SayTheSame(pair.first, pair.first)) << pair.first;
    (pair.same ? same : different) += 1;
    passed += pair.same && passes ? 1 : 0;
    EXPECT_FALSE(!pair.same && passes) << pair.first << " | " << pair.second;
  }
  EXPECT_GE(same, 100u);
  EXPECT_GE(different, 100u);
  std::printf("words alone: %zu of %zu paraphrases pass, of %zu near misses none may\n", passed, same, different);
  EXPECT_GT(passed, same / 2);
}

TEST(SimilarQuestions, WithTheModelsVectorsMostParaphrasesAreFoundAndNoNearMiss) {
  const auto embedder = Value(LocalEmbedder::Open({.folder = RAGTIME_TEST_MODELS "/multilingual-e5-small"}, {}));
  const auto embed = [&embedder](const std::string& text) {
    const std::string texts[] = {text};
    return Value(embedder->Embed({}, texts, TextKind::kQuery));
  };
  size_t same = 0;
  size_t reused = 0;
  const std::vector<NodeId> nodes = {7, 9};
  for (const Pair& pair : ReadPairs()) {
    SimilarQuestions questions;
    questions.Remember({.scope = "1",
                        .question = pair.first,
                        .vector = embed(pair.first),
                        .best_node = 7,
                        .quoted_nodes = {9},
                        .identity = "answer"});
    const std::vector<float> vector = embed(pair.second);
    const bool found = questions
                           .Find({.scope = "1",
                                  .question = pair.second,
                                  .vector = vector,
                                  .nodes = nodes,
                                  .min_cosine = CacheConfig().similar_cosine})
                           .has_value();
    EXPECT_FALSE(!pair.same && found) << pair.first << " | " << pair.second;
    same += pair.same ? 1 : 0;
    reused += pair.same && found ? 1 : 0;
  }
  std::printf("words and vectors: %zu of %zu paraphrases are answered again (%.0f %%)\n", reused, same,
              100.0 * static_cast<double>(reused) / static_cast<double>(same));
  EXPECT_GT(reused, same / 2);
}

TEST(SimilarQuestions, EveryGateCanSayNo) {
  SimilarQuestions questions;
  questions.Remember({.scope = "1",
                      .question = "How do I restore a backup?",
                      .vector = {1, 0},
                      .best_node = 7,
                      .quoted_nodes = {7, 9},
                      .identity = "answer"});
  const std::vector<float> near = {0.96f, 0.28f};
  const std::vector<float> far = {0.6f, 0.8f};
  const std::vector<NodeId> nodes = {7, 8, 9};
  const std::vector<NodeId> other_best = {9, 7};
  const std::vector<NodeId> one_is_missing = {7, 8};
  const std::string same = "How can I restore a backup?";
  const NewQuestion question{.scope = "1", .question = same, .vector = near, .nodes = nodes, .min_cosine = 0.9};
  EXPECT_EQ(questions.Find(question)->identity, "answer");
  NewQuestion changed = question;
  changed.scope = "2";
  EXPECT_FALSE(questions.Find(changed));
  changed = question;
  changed.vector = far;
  EXPECT_FALSE(questions.Find(changed));
  changed = question;
  changed.nodes = other_best;
  EXPECT_FALSE(questions.Find(changed));
  changed.nodes = one_is_missing;
  EXPECT_FALSE(questions.Find(changed));
  changed.nodes = {};
  EXPECT_FALSE(questions.Find(changed));
  changed = question;
  changed.question = "How can I restore two backups?";
  EXPECT_FALSE(questions.Find(changed));
}

}  // namespace
}  // namespace ragtime
