// SPDX-License-Identifier: Apache-2.0
//
// FindClusters groups vectors around centres, by the k-means of Faiss. Faiss and OpenMP are not linked but loaded at
// the first use, from libragtime_faiss.so beside the program: only building an index needs them, never opening or
// searching.
//
// Threads: may be called from any; its own end before it returns. The result does not depend on how many there are.
// Errors: those of the context, and kUnavailable where the library is missing.
#ifndef RAGTIME_INDEX_IVF_CLUSTERS_H_
#define RAGTIME_INDEX_IVF_CLUSTERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

struct ClusterOptions {
  uint32_t clusters = 1;    // At most as many as there are vectors.
  bool directions = false;  // By inner product with centres of length 1, not by distance.
  uint32_t rounds = 10;     // Of k-means.
  uint32_t sample = 64;     // Vectors for each cluster that k-means looks at.
  size_t threads = 0;       // 0: one per core.
};

struct Clusters {
  std::vector<float> centres;     // clusters x dimension
  std::vector<uint32_t> nearest;  // Of each vector.
};

Result<Clusters> FindClusters(const Context& context, VectorMatrix vectors, const ClusterOptions& options);

// The one symbol of libragtime_faiss.so. `interface` is kFaissModuleInterface of the caller; a library of another
// build refuses.
inline constexpr uint32_t kFaissModuleInterface = 1;
inline constexpr char kFaissModuleSymbol[] = "RagtimeFindClusters";
using FindClustersModule = void(uint32_t interface, const Context& context, const VectorMatrix& vectors,
                                const ClusterOptions& options, Clusters& clusters, Status& status);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_IVF_CLUSTERS_H_
