// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/milvus_source.h"

#include "base/str_cat.h"
#include "ingest/import/llamaindex_node.h"

namespace ragtime {

Result<CollectionAddress> ParseMilvusAddress(std::string_view uri) {
  return ParseCollectionAddress(
      uri, {{"db_name", ""}}, "the address of the Milvus collection",
      "milvus:http://host:19530/COLLECTION, with ?db_name=D where it has one, or milvus:./milvus.db/COLLECTION");
}

Result<std::vector<ImportedNode>> MilvusSource::Next(const Context& context, size_t limit) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<ForeignRow> rows, reader_->Next(context, limit));
  std::vector<ImportedNode> nodes;
  for (ForeignRow& row : rows) {
    ImportedNode node;
    node.id = std::move(row.id);
    node.vector = std::move(row.vector);
    node.metadata = std::move(row.columns);
    if (!id_column_.empty()) {
      const Json& id = node.metadata[id_column_];
      if (id.is_null()) {
        return InvalidArgumentError(StrCat("the row ", node.id, " has nothing in the column ", id_column_),
                                    "name another one with --map id=COLUMN, or none");
      }
      node.id = id.is_string() ? id.AsString() : id.Dump();
    }
    TakeLlamaIndexNode(node);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace ragtime
