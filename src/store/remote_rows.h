// SPDX-License-Identifier: Apache-2.0
//
// A node as a row of a Collection: its text, its vector, columns that a filter can name, and the rest as payload.
//
// Threads: functions without state. Errors: kDataLoss names the row that RowOf cannot have made.
#ifndef RAGTIME_STORE_REMOTE_ROWS_H_
#define RAGTIME_STORE_REMOTE_ROWS_H_

#include <span>
#include <string_view>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/collection.h"

namespace ragtime {

inline constexpr char kDocumentColumn[] = "document_id";
inline constexpr char kGroupColumn[] = "group";

// The columns of a collection of nodes: document_id, group, position, page, and of the declared fields those that every
// server can name. A filter on another field is answered without the server.
std::vector<FieldSpec> NodeColumns(std::span<const FieldSpec> declared);

// `fields` are those of the node's document. A node without a vector has one of a single 1, as no server takes none.
CollectionRow RowOf(const NewNode& node, const Fields& fields, std::span<const FieldSpec> columns);
// The vector is taken if the row has one and `dimension` is not 0.
Result<NewNode> NodeOf(CollectionRow row, size_t dimension);
// Whether the row is as it was put. It must have its vector.
bool IsWhole(const CollectionRow& row);

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_ROWS_H_
