// SPDX-License-Identifier: Apache-2.0
#include "testing/store_consistency.h"

#include <set>

#include "base/str_cat.h"

namespace ragtime {

Status CheckConsistent(const Snapshot& snapshot, Random& random, size_t dimension) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics statistics, snapshot.Statistics());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, snapshot.Files());
  uint64_t nodes = 0;
  std::set<DocumentId> documents;
  for (const FileRecord& file : files) {
    nodes += file.nodes;
    documents.insert(file.id);
  }
  if (files.size() != statistics.files + statistics.folders) {
    return InternalError(StrCat(files.size(), " rows of files, counted are ", statistics.files, " files and ",
                                statistics.folders, " folders"));
  }
  if (nodes != statistics.nodes) {
    return InternalError(StrCat("the files have ", nodes, " nodes, counted are ", statistics.nodes));
  }
  if (files.empty()) return Status();
  const FileRecord& file = files[random.Below(files.size())];
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> of_file, snapshot.NodesOf(file.id));
  if (of_file.size() != file.nodes) {
    return InternalError(StrCat(file.file_path, " has ", of_file.size(), " nodes instead of ", file.nodes));
  }
  if (nodes == 0) return Status();
  RAGTIME_ASSIGN_OR_RETURN(const auto near,
                           snapshot.SearchVector({}, {.vector = RandomVector(random, dimension), .limit = 10}));
  if (near.size() != std::min<uint64_t>(10, nodes)) {
    return InternalError(StrCat("a search by vector finds ", near.size(), " of ", nodes, " nodes"));
  }
  RAGTIME_ASSIGN_OR_RETURN(auto hits, snapshot.SearchKeyword({}, {.text = RandomText(random, 3), .limit = 10}));
  hits.insert(hits.end(), near.begin(), near.end());
  std::vector<NodeId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.node_id);
  RAGTIME_ASSIGN_OR_RETURN(const auto found, snapshot.GetNodes(ids));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!found[i]) return InternalError(StrCat("node ", ids[i], " is found and not there"));
    if (!documents.contains(found[i]->document_id)) {
      return InternalError(StrCat("node ", ids[i], " is of the unknown document ", found[i]->document_id));
    }
  }
  return Status();
}

}  // namespace ragtime
