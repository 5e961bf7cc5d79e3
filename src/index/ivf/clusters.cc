// SPDX-License-Identifier: Apache-2.0
#include "index/ivf/clusters.h"

#include "base/module.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

#ifdef RAGTIME_FAISS_MODULE
constexpr char kBuilt[] = RAGTIME_FAISS_MODULE;
#else
constexpr char kBuilt[] = "";
#endif

}  // namespace

Result<Clusters> FindClusters(const Context& context, VectorMatrix vectors, const ClusterOptions& options) {
  const auto symbol = LoadModuleSymbol("libragtime_faiss.so", kFaissModuleSymbol, kBuilt);
  if (!symbol.ok()) {
    return UnavailableError(
        StrCat("Faiss, which trains this type of index, cannot be loaded: ", symbol.status().message()),
        "install lib/ragtime beside bin/, and OpenMP (in Debian: apt install libgomp1); or write index_type: AUTO");
  }
  Status status;
  Clusters clusters;
  auto* const find = reinterpret_cast<FindClustersModule*>(*symbol);
  find(kFaissModuleInterface, context, vectors, options, clusters, status);
  RAGTIME_RETURN_IF_ERROR(status);
  return clusters;
}

}  // namespace ragtime
