// SPDX-License-Identifier: Apache-2.0
//
// Naive index types: a full scan in doubles, and BM25 by its formula over the words of every row. Slow, short, and so
// the oracles of the real ones.
//
// Threads: immutable. Errors: Open answers kDataLoss on bytes that Build cannot have written.
#ifndef RAGTIME_TESTS_TESTING_NAIVE_INDEX_H_
#define RAGTIME_TESTS_TESTING_NAIVE_INDEX_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/index.h"
#include "store/index_set.h"

namespace ragtime {

// The score that every VectorIndex must give, up to rounding.
double NaiveVectorScore(std::span<const float> a, std::span<const float> b, Metric metric);
// The score that every KeywordIndex must give to one row with these words, up to rounding.
double NaiveBm25Score(std::span<const std::string> words, std::span<const WeightedTerm> terms,
                      const KeywordStatistics& statistics, const Bm25Parameters& parameters = {});

class NaiveVectorIndexType : public VectorIndexType {
 public:
  std::string_view name() const override { return "NAIVE_VECTOR"; }
  uint32_t version() const override { return 1; }
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;
};

class NaiveKeywordIndexType : public KeywordIndexType {
 public:
  explicit NaiveKeywordIndexType(Bm25Parameters parameters = {}) : parameters_(parameters) {}
  std::string_view name() const override { return "NAIVE_KEYWORD"; }
  uint32_t version() const override { return 1; }
  Result<std::vector<std::byte>> Build(const TokenRows& rows) const override;
  Result<std::unique_ptr<KeywordIndex>> Open(std::span<const std::byte> bytes) const override;

 private:
  const Bm25Parameters parameters_;
};

IndexSet NaiveIndexes();

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_NAIVE_INDEX_H_
