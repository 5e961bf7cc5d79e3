// SPDX-License-Identifier: Apache-2.0
//
// NumberedBatch(k) is the k-th commit of the simulations: the same bytes in the driver that is killed and in the test
// that looks at what is left. Batch k needs those of 1 to k-1 committed before it.
#ifndef RAGTIME_TESTS_SIMULATION_NUMBERED_BATCHES_H_
#define RAGTIME_TESTS_SIMULATION_NUMBERED_BATCHES_H_

#include "ragtime/store.h"
#include "store/embedded/writer.h"

namespace ragtime {

inline constexpr size_t kSimulationDimension = 8;
inline constexpr char kBatchSetting[] = "batch";  // k, put by the batch itself.

// So that a dozen commits go through tail, files, merges and removals; in one thread, so that each run makes the same
// calls.
EmbeddedLimits SimulationLimits();
WriteBatch NumberedBatch(int k);
// Whether the driver seals after batch k.
bool SealsAfter(int k);

}  // namespace ragtime

#endif  // RAGTIME_TESTS_SIMULATION_NUMBERED_BATCHES_H_
