// SPDX-License-Identifier: Apache-2.0
//
// Maximal marginal relevance (Carbonell and Goldstein, 1998): each next hit is the one with the largest
//   lambda * relevance - (1 - lambda) * its greatest cosine to a hit that was taken before.
#ifndef RAGTIME_QUERY_FUSE_MMR_H_
#define RAGTIME_QUERY_FUSE_MMR_H_

#include <cstddef>
#include <span>
#include <vector>

#include "query/hits.h"

namespace ragtime {

// The first `count` of `hits` in the order of marginal relevance, then the rest as it was. Relevance is the fused score
// brought to 0 ... 1. Scores stay as they are. `vectors` has one for each hit; an empty one is like no other.
// Of equal marginal relevance the better hit comes first. O(hits * count).
std::vector<FusedHit> Diversify(std::vector<FusedHit> hits, std::span<const std::vector<float>> vectors, double lambda,
                                size_t count);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_MMR_H_
