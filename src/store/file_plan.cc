// SPDX-License-Identifier: Apache-2.0
#include "store/file_plan.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

std::string_view ParentPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view LastPart(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The table as it will be: the rows of before under an overlay of what the batch did so far.
class FilePlan {
 public:
  FilePlan(const FileRows& rows, DocumentId next_document_id, int64_t now_ms) : rows_(rows), now_ms_(now_ms) {
    changes_.next_document_id = next_document_id;
  }

  Status Erase(DocumentId id) {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> row, Find(id));
    if (row && !row->is_dir) Clear(*row);
    return Status();
  }

  // Takes out a row that keeps its nodes, so that two files may swap their paths.
  Status Detach(DocumentId id, const std::string& new_path) {
    RAGTIME_ASSIGN_OR_RETURN(std::optional<FileRecord> row, Find(id));
    if (!row || row->is_dir) {
      return NotFoundError(StrCat("no file to keep for ", new_path, ": no row has the id ", id));
    }
    Remove(*row);
    detached_.emplace(id, *std::move(row));
    return Status();
  }

  Status Put(const DocumentWrite& document) {
    FileRecord file = document.file;
    const std::string path = file.file_path;
    std::optional<FileRecord> before;
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> there, Find(path));
    if (there && there->is_dir) {
      RAGTIME_RETURN_IF_ERROR(RemoveEmptyTree(*there));
    } else if (there) {
      Clear(*there);
      before = there;
    }
    RAGTIME_ASSIGN_OR_RETURN(file.parent_id, EnsureFolder(ParentPath(path)));
    file.file_name = LastPart(path);
    if (document.keep_id) {
      before = detached_.at(file.id);
      file.nodes = before->nodes;
      file.fields = before->fields;
      if (file.nodes > 0 &&
          (before->file_path != path || before->file_type != file.file_type || before->encoding != file.encoding)) {
        changes_.changes_results = true;
      }
    } else {
      file.id = changes_.next_document_id++;
      file.nodes = document.nodes.size();
      if (file.nodes > 0) changes_.changes_results = true;
    }
    if (file.create_time_ms == 0) file.create_time_ms = before ? before->create_time_ms : now_ms_;
    changes_.document_ids.push_back(file.id);
    Insert(std::move(file));
    return Status();
  }

  Status RemoveEmptyFolders() {
    for (const DocumentId id : std::set<DocumentId>(shrunk_)) {
      for (std::optional<DocumentId> folder = id; folder;) {
        RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> row, Find(*folder));
        if (!row) break;
        RAGTIME_ASSIGN_OR_RETURN(const int64_t children, CountChildren(*folder));
        if (children > 0) break;
        Remove(*row);
        folder = row->parent_id;
      }
    }
    return Status();
  }

  Result<FileChanges> Finish() {
    for (const auto& [id, row] : by_id_) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> before, rows_.Find(id));
      if (before == row) continue;  // Taken out and put back as it was.
      if (before) {
        changes_.removed.push_back(id);
        --(before->is_dir ? changes_.folders_added : changes_.files_added);
      }
      if (row) {
        changes_.put.push_back(*row);
        ++(row->is_dir ? changes_.folders_added : changes_.files_added);
      }
    }
    return std::move(changes_);
  }

 private:
  Result<std::optional<FileRecord>> Find(DocumentId id) const {
    if (const auto found = by_id_.find(id); found != by_id_.end()) return found->second;
    return rows_.Find(id);
  }

  Result<std::optional<FileRecord>> Find(std::string_view path) const {
    if (const auto found = by_path_.find(std::string(path)); found != by_path_.end()) {
      if (found->second == 0) return std::optional<FileRecord>();
      return Find(found->second);
    }
    return rows_.Find(path);
  }

  Result<int64_t> CountChildren(DocumentId folder) const {
    RAGTIME_ASSIGN_OR_RETURN(const uint64_t before, rows_.CountChildren(folder));
    const auto delta = children_added_.find(folder);
    return static_cast<int64_t>(before) + (delta == children_added_.end() ? 0 : delta->second);
  }

  void Remove(const FileRecord& row) {
    by_id_[row.id] = std::nullopt;
    by_path_[row.file_path] = 0;
    if (!row.parent_id) return;
    --children_added_[*row.parent_id];
    shrunk_.insert(*row.parent_id);
  }

  void Clear(const FileRecord& row) {
    Remove(row);
    if (row.nodes == 0) return;
    changes_.cleared.push_back(row.id);
    changes_.changes_results = true;
  }

  void Insert(FileRecord row) {
    by_path_[row.file_path] = row.id;
    if (row.parent_id) ++children_added_[*row.parent_id];
    put_.insert(row.id);
    const DocumentId id = row.id;
    by_id_[id] = std::move(row);
  }

  // The row of a folder, made with those above it where there is none; none for the top.
  Result<std::optional<DocumentId>> EnsureFolder(std::string_view path) {
    if (path.empty()) return std::optional<DocumentId>();
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> there, Find(path));
    if (there && there->is_dir) return std::optional(there->id);
    if (there && put_.contains(there->id)) {
      return InvalidArgumentError(StrCat("the batch holds ", path, " as a file and as a folder"));
    }
    if (there) Clear(*there);  // What was a file is a folder now.
    FileRecord folder;
    RAGTIME_ASSIGN_OR_RETURN(folder.parent_id, EnsureFolder(ParentPath(path)));
    folder.id = changes_.next_document_id++;
    folder.file_path = path;
    folder.file_name = LastPart(path);
    folder.is_dir = true;
    folder.create_time_ms = now_ms_;
    folder.status = FileStatus::kReady;
    const DocumentId id = folder.id;
    Insert(std::move(folder));
    return std::optional(id);
  }

  // Where a file takes the path of a folder, whose files must have gone in the same batch.
  Status RemoveEmptyTree(const FileRecord& folder) {
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<DocumentId> children, rows_.Children(folder.id));
    for (const DocumentId id : children) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> child, Find(id));
      if (child && child->is_dir && child->parent_id == folder.id) RAGTIME_RETURN_IF_ERROR(RemoveEmptyTree(*child));
    }
    RAGTIME_ASSIGN_OR_RETURN(const int64_t left, CountChildren(folder.id));
    if (left > 0) {
      return FailedPreconditionError(StrCat(folder.file_path, " is a folder with files: ", left),
                                     "erase the files below it in the same batch");
    }
    Remove(folder);
    return Status();
  }

  const FileRows& rows_;
  const int64_t now_ms_;
  FileChanges changes_;
  std::map<DocumentId, std::optional<FileRecord>> by_id_;  // None: the row is gone.
  std::map<std::string, DocumentId> by_path_;              // 0: no row has the path.
  std::map<DocumentId, int64_t> children_added_;
  std::map<DocumentId, FileRecord> detached_;
  std::set<DocumentId> shrunk_;  // Folders that lost a child.
  std::set<DocumentId> put_;
};

}  // namespace

Result<FileChanges> PlanFiles(const FileRows& rows, const WriteBatch& batch, DocumentId next_document_id,
                              int64_t now_ms) {
  FilePlan plan(rows, next_document_id, now_ms);
  for (const DocumentId id : batch.erased) RAGTIME_RETURN_IF_ERROR(plan.Erase(id));
  for (const DocumentWrite& document : batch.documents) {
    if (document.keep_id) RAGTIME_RETURN_IF_ERROR(plan.Detach(document.file.id, document.file.file_path));
  }
  for (const DocumentWrite& document : batch.documents) RAGTIME_RETURN_IF_ERROR(plan.Put(document));
  RAGTIME_RETURN_IF_ERROR(plan.RemoveEmptyFolders());
  return plan.Finish();
}

}  // namespace ragtime
