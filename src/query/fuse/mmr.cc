// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/mmr.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ragtime {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.empty() || a.size() != b.size()) return 0;
  double product = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return aa > 0 && bb > 0 ? product / std::sqrt(aa * bb) : 0;
}

}  // namespace

std::vector<FusedHit> Diversify(std::vector<FusedHit> hits, std::span<const std::vector<float>> vectors, double lambda,
                                size_t count) {
  if (hits.empty()) return hits;
  double low = hits.front().score, high = low;
  for (const FusedHit& hit : hits) {
    low = std::min(low, hit.score);
    high = std::max(high, hit.score);
  }
  std::vector<double> relevance, nearest(hits.size(), -1);
  for (const FusedHit& hit : hits) relevance.push_back(high > low ? (hit.score - low) / (high - low) : 1);
  std::vector<bool> taken(hits.size());
  std::vector<FusedHit> result;
  for (size_t n = 0; n < std::min(count, hits.size()); ++n) {
    size_t best = hits.size();
    double best_value = 0;
    for (size_t i = 0; i < hits.size(); ++i) {
      if (taken[i]) continue;
      const double value = lambda * relevance[i] - (n == 0 ? 0 : (1 - lambda) * nearest[i]);
      if (best == hits.size() || value > best_value) {
        best = i;
        best_value = value;
      }
    }
    taken[best] = true;
    for (size_t i = 0; i < hits.size(); ++i) {
      if (!taken[i]) nearest[i] = std::max(nearest[i], Cosine(vectors[i], vectors[best]));
    }
    result.push_back(std::move(hits[best]));
  }
  for (size_t i = 0; i < hits.size(); ++i) {
    if (!taken[i]) result.push_back(std::move(hits[i]));
  }
  return result;
}

}  // namespace ragtime
