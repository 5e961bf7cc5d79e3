// SPDX-License-Identifier: Apache-2.0
//
// Measures what joining passages that were computed elsewhere does to the answers of this model on these documents, and
// keeps whether later answers may.
//
// Threads: one call at a time. Errors: those of searching and of the generator.
#ifndef RAGTIME_ENGINE_TUNING_JOINS_H_
#define RAGTIME_ENGINE_TUNING_JOINS_H_

#include <functional>
#include <string>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// Made of the passages' own first sentences, or headings: of `count` nodes that lie evenly over the snapshot.
Result<std::vector<std::string>> QuestionsOfNodes(const Snapshot& snapshot, size_t count, const Context& context);

using SearchFunction = std::function<Result<SearchResult>(const SearchRequest&)>;

Result<JoinRecord> MeasureJoins(const Config& config, Generator& generator, const SearchFunction& search,
                                const std::vector<std::string>& questions, const TuneJoinsOptions& options);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_TUNING_JOINS_H_
