// SPDX-License-Identifier: Apache-2.0
//
// QueryTable answers a TableRequest from a snapshot.
//
// Threads: may be called concurrently. Errors: kInvalidArgument names an unknown column and lists the known ones.
#ifndef RAGTIME_QUERY_TABLE_H_
#define RAGTIME_QUERY_TABLE_H_

#include "ragtime/status.h"
#include "ragtime/store.h"
#include "ragtime/table.h"

namespace ragtime {

Result<TableResult> QueryTable(const Snapshot& snapshot, const TableRequest& request);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_TABLE_H_
