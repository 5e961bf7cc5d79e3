// SPDX-License-Identifier: Apache-2.0
//
// BM25 finds the rows that hold a question's words, by the formula of include/ragtime/index.h.
//
// A score is a sum in double over the terms in the order given, rounded to float once: it depends on the row, the terms
// and the statistics only, not on how the rows are spread over indexes. docs/formats/index-bm25.md has the bytes.
//
// Threads: as include/ragtime/index.h says. Errors: kDataLoss where a look-up meets damaged bytes; nothing is read
// outside of them.
#ifndef RAGTIME_INDEX_BM25_BM25_INDEX_H_
#define RAGTIME_INDEX_BM25_BM25_INDEX_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class Bm25IndexType final : public KeywordIndexType {
 public:
  explicit Bm25IndexType(Bm25Parameters parameters = {}) : parameters_(parameters) {}

  std::string_view name() const override { return "BM25"; }
  uint32_t version() const override;
  Result<std::vector<std::byte>> Build(const TokenRows& rows) const override;
  // The cost does not depend on the number of rows and terms.
  Result<std::unique_ptr<KeywordIndex>> Open(std::span<const std::byte> bytes) const override;

 private:
  const Bm25Parameters parameters_;  // Not in the bytes: other parameters need no new index.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_BM25_INDEX_H_
