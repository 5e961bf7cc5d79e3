// SPDX-License-Identifier: Apache-2.0
//
// libragtime_faiss.so: the only code that Faiss and OpenMP are linked to.
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <omp.h>

#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/str_cat.h"
#include "index/ivf/clusters.h"

namespace ragtime {
namespace {

thread_local const Context* context_of_thread = nullptr;

// Faiss asks it between the blocks of a step, in the thread that called.
class StopWhenCancelled final : public faiss::InterruptCallback {
 public:
  bool want_interrupt() override { return context_of_thread != nullptr && !context_of_thread->Check().ok(); }
};

void Find(const VectorMatrix& vectors, const ClusterOptions& options, Clusters& clusters) {
  const auto dimension = static_cast<faiss::idx_t>(vectors.dimension);
  const auto rows = static_cast<faiss::idx_t>(vectors.rows);
  faiss::IndexFlat index(dimension, options.directions ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2);
  faiss::Clustering clustering(static_cast<int>(dimension), static_cast<int>(options.clusters));
  clustering.niter = static_cast<int>(options.rounds);
  clustering.spherical = options.directions;
  clustering.min_points_per_centroid = 1;  // With fewer it prints a warning.
  clustering.max_points_per_centroid = static_cast<int>(options.sample);
  clustering.train(rows, vectors.data, index);
  clusters.centres = std::move(clustering.centroids);
  std::vector<faiss::idx_t> labels(vectors.rows);
  index.assign(rows, vectors.data, labels.data());
  clusters.nearest.resize(vectors.rows);
  // None is nearest to a vector that no number compares with; it may lie anywhere.
  for (size_t r = 0; r < vectors.rows; ++r) {
    clusters.nearest[r] = labels[r] < 0 ? 0 : static_cast<uint32_t>(labels[r]);
  }
}

}  // namespace
}  // namespace ragtime

extern "C" __attribute__((visibility("default"))) void RagtimeFindClusters(
    uint32_t interface, const ragtime::Context& context, const ragtime::VectorMatrix& vectors,
    const ragtime::ClusterOptions& options, ragtime::Clusters& clusters, ragtime::Status& status) {
  if (interface != ragtime::kFaissModuleInterface) {
    status = ragtime::UnavailableError("libragtime_faiss.so is of another version than the program",
                                       "install both from one build");
    return;
  }
  static std::once_flag once;
  std::call_once(once, [] { faiss::InterruptCallback::instance = std::make_unique<ragtime::StopWhenCancelled>(); });
  // In a thread of its own: OpenMP keeps the number of its threads, and the threads, with the thread that uses them.
  std::thread([&] {
    omp_set_num_threads(options.threads > 0 ? static_cast<int>(options.threads) : omp_get_num_procs());
    ragtime::context_of_thread = &context;
    try {
      ragtime::Find(vectors, options, clusters);
    } catch (const std::exception& error) {
      status = context.Check();
      if (status.ok()) status = ragtime::InternalError(ragtime::StrCat("Faiss failed: ", error.what()));
    }
  }).join();
}
