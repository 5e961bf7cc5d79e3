// SPDX-License-Identifier: Apache-2.0
//
// The files table. A row that is replaced moves to files_history with the commit that ended it, so that a snapshot
// reads files as of its commit without holding a transaction open, which would keep the log from shrinking.
#include <algorithm>

#include "base/str_cat.h"
#include "catalog/catalog.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

#define RAGTIME_FILE_COLUMNS_                                                                                        \
  "id, file_name, file_path, file_type, is_dir, file_size, parent_id, create_time, modified_time_ns, content_hash, " \
  "encoding, status, error, nodes, meta_hash, fields"

FileStatus StatusOf(const std::string& name) {
  for (const FileStatus status : {FileStatus::kPending, FileStatus::kReady}) {
    if (name == FileStatusName(status)) return status;
  }
  return FileStatus::kFailed;
}

Result<FileRecord> RecordOf(const Query& query) {
  FileRecord record;
  record.id = query.Int(0);
  record.file_name = query.Text(1);
  record.file_path = query.Text(2);
  record.file_type = query.Text(3);
  record.is_dir = query.Int(4) != 0;
  record.file_size = query.Unsigned(5);
  record.parent_id = query.OptionalInt(6);
  record.create_time_ms = query.Int(7);
  record.modified_time_ns = query.Int(8);
  record.content_hash = query.Text(9);
  record.encoding = query.Text(10);
  record.status = StatusOf(query.Text(11));
  record.error = query.Text(12);
  record.nodes = query.Unsigned(13);
  record.meta_hash = query.Text(14);
  Result<Fields> fields = DecodeFields(query.Text(15));
  if (!fields.ok()) return fields.status().Annotate(StrCat(query.file().string(), ", ", record.file_path));
  record.fields = *std::move(fields);
  return record;
}

Result<std::optional<FileRecord>> ReadOne(Query& query) {
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return std::optional<FileRecord>();
  RAGTIME_ASSIGN_OR_RETURN(FileRecord record, RecordOf(query));
  return std::optional(std::move(record));
}

}  // namespace

Status Catalog::CheckHistory(CommitNumber commit) {
  Query query = connection_->Prepare("SELECT history_start FROM state WHERE one = 1");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (row && query.Unsigned(0) <= commit) return Status();
  return Status(StatusCode::kAborted,
                StrCat("the snapshot of ", file_.parent_path().string(), " is too old: its files are no longer known"),
                "open a new snapshot");
}

Result<std::optional<FileRecord>> Catalog::FindFile(DocumentId id, CommitNumber commit) {
  RAGTIME_ASSIGN_OR_RETURN(auto files, FindFiles({&id, 1}, commit));
  return std::move(files[0]);
}

Result<std::vector<std::optional<FileRecord>>> Catalog::FindFiles(std::span<const DocumentId> ids,
                                                                  CommitNumber commit) {
  std::vector<std::optional<FileRecord>> files;
  files.reserve(ids.size());
  RAGTIME_ASSIGN_OR_RETURN(const Transaction transaction, BeginRead());
  RAGTIME_RETURN_IF_ERROR(CheckHistory(commit));
  for (const DocumentId id : ids) {
    Query query =
        connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_
                             " FROM files WHERE id = ?1 AND since <= ?2 UNION ALL SELECT " RAGTIME_FILE_COLUMNS_
                             " FROM files_history WHERE id = ?1 AND since <= ?2 AND until > ?2");
    RAGTIME_ASSIGN_OR_RETURN(auto file, ReadOne(query.Bind(id).Bind(commit)));
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::optional<FileRecord>> Catalog::FindFile(std::string_view file_path, CommitNumber commit) {
  RAGTIME_ASSIGN_OR_RETURN(const Transaction transaction, BeginRead());
  RAGTIME_RETURN_IF_ERROR(CheckHistory(commit));
  Query query =
      connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_
                           " FROM files WHERE file_path = ?1 AND since <= ?2 UNION ALL SELECT " RAGTIME_FILE_COLUMNS_
                           " FROM files_history WHERE file_path = ?1 AND since <= ?2 AND until > ?2");
  return ReadOne(query.Bind(file_path).Bind(commit));
}

Result<std::vector<FileRecord>> Catalog::ReadFiles(CommitNumber commit) {
  RAGTIME_ASSIGN_OR_RETURN(const Transaction transaction, BeginRead());
  RAGTIME_RETURN_IF_ERROR(CheckHistory(commit));
  Query query = connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_
                                     " FROM files WHERE since <= ?1 UNION ALL SELECT " RAGTIME_FILE_COLUMNS_
                                     " FROM files_history WHERE since <= ?1 AND until > ?1 ORDER BY file_path");
  query.Bind(commit);
  std::vector<FileRecord> files;
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return files;
    RAGTIME_ASSIGN_OR_RETURN(FileRecord record, RecordOf(query));
    files.push_back(std::move(record));
  }
}

Result<std::vector<DocumentId>> Catalog::FindDocuments(const FilterNode& leaf, CommitNumber commit) {
  std::vector<DocumentId> ids;
  const bool paths_named = leaf.op == FilterOp::kEqual || leaf.op == FilterOp::kIn;
  if (leaf.field == "file_path" && paths_named) {
    // By the index on the paths.
    for (const FieldValue& path : leaf.values) {
      RAGTIME_ASSIGN_OR_RETURN(const auto file, FindFile(std::get<std::string>(path), commit));
      if (file && !file->is_dir) ids.push_back(file->id);
    }
  } else {
    RAGTIME_ASSIGN_OR_RETURN(const Transaction transaction, BeginRead());
    RAGTIME_RETURN_IF_ERROR(CheckHistory(commit));
    Query query =
        connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_
                             " FROM files WHERE is_dir = 0 AND since <= ?1 UNION ALL SELECT " RAGTIME_FILE_COLUMNS_
                             " FROM files_history WHERE is_dir = 0 AND since <= ?1 AND until > ?1");
    query.Bind(commit);
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
      if (!row) break;
      RAGTIME_ASSIGN_OR_RETURN(const FileRecord file, RecordOf(query));
      if (MatchesLeaf(leaf, FileFieldValue(file, leaf.field))) ids.push_back(file.id);
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<std::optional<FileRecord>> Catalog::FindFile(DocumentId id) {
  Query query = connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_ " FROM files WHERE id = ?");
  return ReadOne(query.Bind(id));
}

Result<std::optional<FileRecord>> Catalog::FindFile(std::string_view file_path) {
  Query query = connection_->Prepare("SELECT " RAGTIME_FILE_COLUMNS_ " FROM files WHERE file_path = ?");
  return ReadOne(query.Bind(file_path));
}

Result<uint64_t> Catalog::CountChildren(DocumentId folder) {
  Query query = connection_->Prepare("SELECT count(*) FROM files WHERE parent_id = ?");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Bind(folder).Step());
  return row ? query.Unsigned(0) : 0;
}

Result<std::vector<DocumentId>> Catalog::Children(DocumentId folder) {
  Query query = connection_->Prepare("SELECT id FROM files WHERE parent_id = ? ORDER BY id");
  query.Bind(folder);
  std::vector<DocumentId> ids;
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return ids;
    ids.push_back(query.Int(0));
  }
}

Status Catalog::PutFile(const FileRecord& record, CommitNumber commit) {
  const std::string fields = EncodeFields(record.fields);
  return connection_->Prepare("INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(record.id)
      .Bind(record.file_name)
      .Bind(record.file_path)
      .Bind(record.file_type)
      .Bind(static_cast<int64_t>(record.is_dir))
      .Bind(record.file_size)
      .Bind(record.parent_id)
      .Bind(record.create_time_ms)
      .Bind(record.modified_time_ns)
      .Bind(record.content_hash)
      .Bind(record.encoding)
      .Bind(FileStatusName(record.status))
      .Bind(record.error)
      .Bind(record.nodes)
      .Bind(record.meta_hash)
      .Bind(fields)
      .Bind(commit)
      .Run();
}

Status Catalog::RemoveFile(DocumentId id, CommitNumber commit, int64_t now_ms) {
  RAGTIME_RETURN_IF_ERROR(
      connection_
          ->Prepare("INSERT INTO files_history SELECT " RAGTIME_FILE_COLUMNS_ ", since, ?, ? FROM files WHERE id = ?")
          .Bind(commit)
          .Bind(now_ms)
          .Bind(id)
          .Run());
  return connection_->Prepare("DELETE FROM files WHERE id = ?").Bind(id).Run();
}

Result<CommitNumber> Catalog::TrimHistory(int64_t before_ms, CommitNumber history_start) {
  {
    Query query = connection_->Prepare("SELECT max(until) FROM files_history WHERE until_ms < ?");
    RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Bind(before_ms).Step());
    if (!row || !query.OptionalInt(0)) return history_start;
    history_start = std::max(history_start, query.Unsigned(0));
  }
  RAGTIME_RETURN_IF_ERROR(connection_->Prepare("DELETE FROM files_history WHERE until <= ?").Bind(history_start).Run());
  return history_start;
}

#undef RAGTIME_FILE_COLUMNS_

}  // namespace ragtime
