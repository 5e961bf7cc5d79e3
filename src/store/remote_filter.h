// SPDX-License-Identifier: Apache-2.0
//
// PlanRemoteFilter turns a filter on nodes into what the server can be asked. What concerns files is answered from the
// state, so that a moved file needs no write to its nodes.
//
// Threads: functions without state; they borrow their arguments.
#ifndef RAGTIME_STORE_REMOTE_FILTER_H_
#define RAGTIME_STORE_REMOTE_FILTER_H_

#include <string>

#include "ragtime/document.h"
#include "ragtime/filter.h"
#include "store/collection.h"
#include "store/remote_state.h"

namespace ragtime {

// Whether the filter names group, page or position.
bool NamesRowField(const FilterNode& node);
// Of a filter that names none of them. `declared` are the fields of documents.
bool MatchesDocument(const FilterNode& node, const FileRecord& file, std::span<const FieldSpec> declared);

struct RemoteFilterPlan {
  Filter filter;              // For the server. It matches every row that is wanted.
  bool exact = false;         // It matches no others, but for rows that the state does not have.
  bool none = false;          // No node can match.
  bool of_documents = false;  // Whether a node matches follows from its document alone, apart from the group.
};

RemoteFilterPlan PlanRemoteFilter(const Filter& filter, const std::string& group, const RemoteState& state,
                                  const Collection& nodes);

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_FILTER_H_
