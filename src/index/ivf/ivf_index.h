// SPDX-License-Identifier: Apache-2.0
//
// IVF_FLAT, IVF_SQ8 and IVF_PQ sort the rows into lists around centres and look only into the lists that are nearest to
// the query; PQ and IVF_PQ know a row by codes of a few bits for each part of its vector.
//
// The centres and codebooks are those that Faiss finds when the index is built (clusters.h). Searching needs no Faiss:
// it reads the bytes as they lie, and scores what it returns from the exact vectors. Where rows are excluded it looks
// into more lists, until it has met as many rows as without; where few are left it scores all of them.
// docs/formats/index-ivf.md has the bytes, and what is found how fast.
//
// Threads: as include/ragtime/index.h says. Errors: lists that name no row are kDataLoss.
#ifndef RAGTIME_INDEX_IVF_IVF_INDEX_H_
#define RAGTIME_INDEX_IVF_IVF_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

enum class IvfKind : uint32_t { kIvfFlat = 0, kIvfSq8 = 1, kIvfPq = 2, kPq = 3 };

class IvfIndexType final : public VectorIndexType {
 public:
  // `parameters` are within their limits.
  explicit IvfIndexType(IvfKind kind, const IvfParameters& parameters = {}) : kind_(kind), parameters_(parameters) {}
  std::string_view name() const override;
  uint32_t version() const override;
  // Fewer rows cannot be trained on; an index of them scans all of them exactly.
  uint64_t rows_min() const;
  // kInvalidArgument for a vector that is not finite or longer than 1e15. The bytes do not depend on the threads.
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;

 private:
  uint32_t ListsFor(uint64_t rows) const;

  const IvfKind kind_;
  const IvfParameters parameters_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_IVF_IVF_INDEX_H_
