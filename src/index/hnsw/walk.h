// SPDX-License-Identifier: Apache-2.0
//
// Walk and Descend go over the links of one level of the graph towards higher scores.
//
// Threads: functions without state. Errors: a link that leads to no place ends them with false.
#ifndef RAGTIME_INDEX_HNSW_WALK_H_
#define RAGTIME_INDEX_HNSW_WALK_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/hnsw/frontier.h"
#include "index/hnsw/hnsw_format.h"

namespace ragtime {

inline constexpr size_t kLinksOfRowMax = 2 * size_t{kHnswLinksMax};

// The places that `links` lead to and that were not visited yet, now visited; false if one is not below `places`.
inline bool VisitLinks(std::span<const uint32_t> links, uint32_t places, VisitedRows& visited, uint32_t* met,
                       size_t& count) {
  count = 0;
  for (const uint32_t link : links) {
    if (link == kNoRow) break;
    if (link >= places) return false;
    if (visited.Insert(link)) met[count++] = link;
  }
  return true;
}

// Follows the best places of `frontier` until each that it keeps was followed. links_of(place) gives the links,
// scores_of(places, scores) the scores.
template <typename LinksOf, typename ScoresOf>
bool Walk(Frontier& frontier, VisitedRows& visited, uint32_t places, const LinksOf& links_of,
          const ScoresOf& scores_of) {
  uint32_t met[kLinksOfRowMax];
  float scores[kLinksOfRowMax];
  uint32_t place = 0;
  while (frontier.Next(place)) {
    size_t count = 0;
    if (!VisitLinks(links_of(place), places, visited, met, count)) return false;
    scores_of(std::span<const uint32_t>(met, count), scores);
    for (size_t i = 0; i < count; ++i) {
      if (!frontier.Takes(scores[i])) continue;
      // It may be followed soon.
      const std::span<const uint32_t> links = links_of(met[i]);
      for (size_t j = 0; j < links.size(); j += 16) __builtin_prefetch(links.data() + j);
      frontier.Offer(met[i], scores[i]);
    }
  }
  return true;
}

// Goes from `place` to the best of its links, and on, until none is better.
template <typename LinksOf, typename ScoresOf>
bool Descend(uint32_t& place, uint32_t places, const LinksOf& links_of, const ScoresOf& scores_of) {
  uint32_t met[kLinksOfRowMax];
  float scores[kLinksOfRowMax];
  float best = 0;
  scores_of(std::span<const uint32_t>(&place, 1), &best);
  for (bool moved = true; moved;) {
    moved = false;
    size_t count = 0;
    for (const uint32_t link : links_of(place)) {
      if (link == kNoRow) break;
      if (link >= places) return false;
      met[count++] = link;
    }
    scores_of(std::span<const uint32_t>(met, count), scores);
    for (size_t i = 0; i < count; ++i) {
      if (!(scores[i] > best)) continue;
      best = scores[i];
      place = met[i];
      moved = true;
    }
  }
  return true;
}

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_WALK_H_
