// SPDX-License-Identifier: Apache-2.0
//
// Tuning measures how much of what is nearest a search finds, on the user's own vectors against a scan of all of them,
// and records the least `ef` that finds enough.
//
// Threads: functions without state. Errors: those of the store; kFailedPrecondition where there is nothing to tune, or
// no `ef` finds enough.
#ifndef RAGTIME_ENGINE_TUNING_H_
#define RAGTIME_ENGINE_TUNING_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/node.h"
#include "ragtime/store.h"

namespace ragtime {

struct TuningQuestion {
  std::vector<float> vector;
  NodeId own = 0;  // The node that it is the vector of, which is no answer to it; 0: none.
};

struct TuningRequest {
  double recall = 0.95;
  size_t depth = 50;  // How many of the nearest nodes a search looks for.
  std::string group;  // "": all.
};

// `count` nodes (all, if there are fewer) at equal steps through the ids, and the documents that they are of.
Result<std::vector<std::pair<NodeId, DocumentId>>> SampleNodes(const Context& context, const Snapshot& snapshot,
                                                               const std::string& group, size_t count);
// Their vectors.
Result<std::vector<TuningQuestion>> SampleQuestions(const Context& context, const Snapshot& snapshot,
                                                    const std::string& group, size_t count);

// Tries one `ef` after the other, the least first, until one finds enough.
Result<TuneReport> MeasureRecall(const Context& context, const Snapshot& snapshot,
                                 const std::vector<TuningQuestion>& questions, const TuningRequest& request);

// What is recorded, and holds for vectors of the model with this fingerprint only.
std::map<std::string, std::string> TuningSettings(const VectorTuning& tuning, std::string_view fingerprint);
// None where nothing was tuned, or for the vectors of another model.
Result<std::optional<VectorTuning>> ReadTuning(const Store& store, std::string_view fingerprint);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_TUNING_H_
