// SPDX-License-Identifier: Apache-2.0
//
// A TableRequest asks the files or the nodes of a knowledge base like a table: filter, order, count, group.
#ifndef RAGTIME_TABLE_H_
#define RAGTIME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/field.h"

namespace ragtime {

enum class TableSource { kFiles, kNodes };

struct OrderBy {
  std::string column;  // Also one of group_by, or an aggregate as its column is named.
  bool descending = false;
};

enum class AggregateKind { kCount, kMin, kMax };

// Its column is named "count", "min(year)", "max(year)". Null counts, and is neither least nor greatest.
struct Aggregate {
  AggregateKind kind = AggregateKind::kCount;
  std::string field;  // "" for kCount.
};

// Columns of kFiles: id, parent_id, those of FileFields and of the declared fields. Columns of kNodes: id,
// document_id, text, those of NodeFields.
struct TableRequest {
  TableSource from = TableSource::kFiles;
  std::string filter;               // "": all rows. Folders are rows of kFiles.
  std::vector<std::string> select;  // Empty: the most telling columns. Not with group_by or aggregates.
  std::vector<OrderBy> order_by;    // Null comes last; equal rows by id, or by the columns of group_by.
  size_t limit = 100;
  size_t offset = 0;
  std::vector<std::string> group_by;
  std::vector<Aggregate> aggregates;  // Over each group, or over everything without group_by.
  Context context;
};

struct TableResult {
  std::vector<std::string> columns;
  std::vector<std::vector<FieldValue>> rows;  // As columns.
  uint64_t total = 0;                         // Rows, or groups, without limit and offset.
};

}  // namespace ragtime

#endif  // RAGTIME_TABLE_H_
