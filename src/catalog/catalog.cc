// SPDX-License-Identifier: Apache-2.0
#include "catalog/catalog.h"

#include <charconv>
#include <system_error>

#include "base/files.h"
#include "base/str_cat.h"
#include "ragtime/version.h"

namespace ragtime {
namespace {

// The tables settings(key, value) and its row format_version stay what they are for ever: a newer format is told by
// them.
constexpr char kSchema[] = R"sql(
CREATE TABLE settings(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state(
  one INTEGER PRIMARY KEY CHECK(one = 1), generation INTEGER NOT NULL, commit_number INTEGER NOT NULL,
  next_document_id INTEGER NOT NULL, next_node_id INTEGER NOT NULL, next_segment_id INTEGER NOT NULL,
  files INTEGER NOT NULL, folders INTEGER NOT NULL, history_start INTEGER NOT NULL);
CREATE TABLE files(
  id INTEGER PRIMARY KEY, file_name TEXT NOT NULL, file_path TEXT NOT NULL UNIQUE, file_type TEXT NOT NULL,
  is_dir INTEGER NOT NULL, file_size INTEGER NOT NULL, parent_id INTEGER, create_time INTEGER NOT NULL,
  modified_time_ns INTEGER NOT NULL, content_hash TEXT NOT NULL, encoding TEXT NOT NULL, status TEXT NOT NULL,
  error TEXT NOT NULL, nodes INTEGER NOT NULL, meta_hash TEXT NOT NULL, fields TEXT NOT NULL,
  since INTEGER NOT NULL);
CREATE INDEX files_by_parent ON files(parent_id);
CREATE TABLE files_history(
  id INTEGER NOT NULL, file_name TEXT NOT NULL, file_path TEXT NOT NULL, file_type TEXT NOT NULL,
  is_dir INTEGER NOT NULL, file_size INTEGER NOT NULL, parent_id INTEGER, create_time INTEGER NOT NULL,
  modified_time_ns INTEGER NOT NULL, content_hash TEXT NOT NULL, encoding TEXT NOT NULL, status TEXT NOT NULL,
  error TEXT NOT NULL, nodes INTEGER NOT NULL, meta_hash TEXT NOT NULL, fields TEXT NOT NULL,
  since INTEGER NOT NULL, until INTEGER NOT NULL, until_ms INTEGER NOT NULL);
CREATE INDEX files_history_by_id ON files_history(id);
CREATE INDEX files_history_by_path ON files_history(file_path);
CREATE TABLE segments(
  id INTEGER PRIMARY KEY, in_tail INTEGER NOT NULL, rows INTEGER NOT NULL, first_node INTEGER NOT NULL,
  last_node INTEGER NOT NULL, tokens INTEGER NOT NULL, size_bytes INTEGER NOT NULL, deleted_rows INTEGER NOT NULL,
  deleted_tokens INTEGER NOT NULL, deletions_commit INTEGER NOT NULL);
CREATE TABLE deletions(segment_id INTEGER PRIMARY KEY, bitmap BLOB NOT NULL);
CREATE TABLE tail(segment_id INTEGER PRIMARY KEY, image BLOB NOT NULL);
INSERT INTO state VALUES(1, 0, 0, 1, 1, 1, 0, 0, 0);
)sql";

}  // namespace

Catalog::Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors, a full disk among them.
  if (connection_ != nullptr && connection_->in_transaction()) (void)connection_->Execute("ROLLBACK");
}

Status Catalog::Transaction::Commit() {
  RAGTIME_RETURN_IF_ERROR(connection_->Execute("COMMIT"));
  connection_ = nullptr;
  return Status();
}

Status Catalog::Create(const std::filesystem::path& file, const std::map<std::string, std::string>& settings) {
  // Made beside and renamed, so that a crash half way leaves no catalog rather than half a one.
  const std::filesystem::path unfinished = file.string() + ".tmp";
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(unfinished.string() + suffix, ignored);
  {
    RAGTIME_ASSIGN_OR_RETURN(const auto connection, Connection::Create(unfinished));
    RAGTIME_RETURN_IF_ERROR(
        connection->Execute("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA synchronous=FULL; PRAGMA journal_mode=WAL;"));
    RAGTIME_RETURN_IF_ERROR(connection->Execute("BEGIN IMMEDIATE"));
    RAGTIME_RETURN_IF_ERROR(connection->Execute(kSchema));
    const std::string version = StrCat(kFormatVersion);
    constexpr char kPut[] = "INSERT INTO settings VALUES(?, ?)";
    RAGTIME_RETURN_IF_ERROR(connection->Prepare(kPut).Bind(std::string_view("format_version")).Bind(version).Run());
    for (const auto& [key, value] : settings) {
      RAGTIME_RETURN_IF_ERROR(connection->Prepare(kPut).Bind(key).Bind(value).Run());
    }
    RAGTIME_RETURN_IF_ERROR(connection->Execute("COMMIT"));
    RAGTIME_RETURN_IF_ERROR(connection->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }  // Closing takes the log away.
  return RenameDurably(unfinished, file);
}

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::filesystem::path& file, Access access) {
  RAGTIME_ASSIGN_OR_RETURN(auto connection, Connection::Open(file, access));
  // Mapped reads spare a copy of each page; 64 MiB hold a catalog of some 100,000 files.
  RAGTIME_RETURN_IF_ERROR(connection->Execute("PRAGMA mmap_size=67108864"));
  if (access == Access::kWrite) {
    RAGTIME_RETURN_IF_ERROR(connection->Execute("PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304"));
  }
  std::unique_ptr<Catalog> catalog(new Catalog(file, std::move(connection)));
  RAGTIME_RETURN_IF_ERROR(catalog->CheckFormat());
  return catalog;
}

Status Catalog::CheckFormat() {
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadSetting("format_version"));
  int version = -1;
  if (text) std::from_chars(text->data(), text->data() + text->size(), version);
  if (version < 0) {
    return DataLossError(StrCat("the catalog ", file_.string(), " does not say its format version"),
                         "restore the knowledge base from a copy, or ingest the documents into a new one");
  }
  format_version_ = version;
  if (version <= kFormatVersion) return Status();
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> needed, ReadSetting("needs_ragtime"));
  return FailedPreconditionError(
      StrCat("the knowledge base ", file_.parent_path().string(), " has format ", version, ", and this Ragtime ",
             kVersion, " reads formats up to ", kFormatVersion),
      needed ? StrCat("use Ragtime ", *needed, " or newer") : std::string("use a newer Ragtime"));
}

Result<Catalog::Transaction> Catalog::BeginRead() {
  RAGTIME_RETURN_IF_ERROR(connection_->Execute("BEGIN"));
  return Transaction(connection_.get());
}

Result<Catalog::Transaction> Catalog::BeginWrite() {
  RAGTIME_RETURN_IF_ERROR(connection_->Execute("BEGIN IMMEDIATE"));
  return Transaction(connection_.get());
}

Result<int64_t> Catalog::DataVersion() {
  Query query = connection_->Prepare("PRAGMA data_version");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
  return row ? query.Int(0) : 0;
}

Result<CatalogState> Catalog::ReadState() {
  Query query = connection_->Prepare(
      "SELECT generation, commit_number, next_document_id, next_node_id, next_segment_id, files, folders, "
      "history_start "
      "FROM state WHERE one = 1");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) {
    return DataLossError(StrCat("the catalog ", file_.string(), " has lost its counters"),
                         "restore the knowledge base from a copy, or ingest the documents into a new one");
  }
  return CatalogState{.generation = query.Unsigned(0),
                      .commit_number = query.Unsigned(1),
                      .next_document_id = query.Int(2),
                      .next_node_id = query.Int(3),
                      .next_segment_id = query.Int(4),
                      .files = query.Unsigned(5),
                      .folders = query.Unsigned(6),
                      .history_start = query.Unsigned(7)};
}

Status Catalog::WriteState(const CatalogState& state) {
  return connection_
      ->Prepare(
          "UPDATE state SET generation=?, commit_number=?, next_document_id=?, next_node_id=?, next_segment_id=?, "
          "files=?, folders=?, history_start=?")
      .Bind(state.generation)
      .Bind(state.commit_number)
      .Bind(state.next_document_id)
      .Bind(state.next_node_id)
      .Bind(state.next_segment_id)
      .Bind(state.files)
      .Bind(state.folders)
      .Bind(state.history_start)
      .Run();
}

Result<std::vector<SegmentRecord>> Catalog::ReadSegments() {
  Query query = connection_->Prepare(
      "SELECT id, in_tail, rows, first_node, last_node, tokens, size_bytes, deleted_rows, deleted_tokens, "
      "deletions_commit "
      "FROM segments ORDER BY id");
  std::vector<SegmentRecord> segments;
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return segments;
    segments.push_back({.id = query.Int(0),
                        .in_tail = query.Int(1) != 0,
                        .rows = query.Unsigned(2),
                        .first_node = query.Int(3),
                        .last_node = query.Int(4),
                        .tokens = query.Unsigned(5),
                        .size_bytes = query.Unsigned(6),
                        .deleted_rows = query.Unsigned(7),
                        .deleted_tokens = query.Unsigned(8),
                        .deletions_commit = query.Unsigned(9)});
  }
}

Status Catalog::PutSegment(const SegmentRecord& record) {
  return connection_->Prepare("INSERT OR REPLACE INTO segments VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .Bind(record.id)
      .Bind(static_cast<int64_t>(record.in_tail))
      .Bind(record.rows)
      .Bind(record.first_node)
      .Bind(record.last_node)
      .Bind(record.tokens)
      .Bind(record.size_bytes)
      .Bind(record.deleted_rows)
      .Bind(record.deleted_tokens)
      .Bind(record.deletions_commit)
      .Run();
}

Status Catalog::ReadTailImage(int64_t segment_id, const std::function<std::span<std::byte>(size_t)>& room) {
  RAGTIME_ASSIGN_OR_RETURN(const bool found, connection_->ReadBlob("tail", "image", segment_id, room));
  if (found) return Status();
  return DataLossError(StrCat("the catalog ", file_.string(), " has lost the image of segment ", segment_id),
                       "restore the knowledge base from a copy, or ingest the documents into a new one");
}

Status Catalog::ReadDeletions(int64_t segment_id, const std::function<Status(std::span<const std::byte>)>& use) {
  Query query = connection_->Prepare("SELECT bitmap FROM deletions WHERE segment_id = ?");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Bind(segment_id).Step());
  if (row) return use(query.Blob(0));
  return DataLossError(StrCat("the catalog ", file_.string(), " has lost the deletions of segment ", segment_id),
                       "restore the knowledge base from a copy, or ingest the documents into a new one");
}

Status Catalog::PutTailImage(int64_t segment_id, std::span<const std::byte> image) {
  return connection_->Prepare("INSERT OR REPLACE INTO tail VALUES(?, ?)").Bind(segment_id).Bind(image).Run();
}

Status Catalog::PutDeletions(int64_t segment_id, std::span<const std::byte> bitmap) {
  return connection_->Prepare("INSERT OR REPLACE INTO deletions VALUES(?, ?)").Bind(segment_id).Bind(bitmap).Run();
}

Status Catalog::RemoveSegment(int64_t segment_id) {
  RAGTIME_RETURN_IF_ERROR(connection_->Prepare("DELETE FROM segments WHERE id = ?").Bind(segment_id).Run());
  RAGTIME_RETURN_IF_ERROR(connection_->Prepare("DELETE FROM tail WHERE segment_id = ?").Bind(segment_id).Run());
  return connection_->Prepare("DELETE FROM deletions WHERE segment_id = ?").Bind(segment_id).Run();
}

Result<std::optional<std::string>> Catalog::ReadSetting(std::string_view key) {
  Query query = connection_->Prepare("SELECT value FROM settings WHERE key = ?");
  RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Bind(key).Step());
  if (!row) return std::optional<std::string>();
  return std::optional(query.Text(0));
}

Status Catalog::PutSetting(std::string_view key, std::string_view value) {
  return connection_->Prepare("INSERT OR REPLACE INTO settings VALUES(?, ?)").Bind(key).Bind(value).Run();
}

Status Catalog::Shrink() { return connection_->Prepare("PRAGMA incremental_vacuum").Run(); }

Status Catalog::Checkpoint() {
  // Answers with a row that says busy when a reader still needs the log, which is no error: the next one empties it.
  return connection_->Prepare("PRAGMA wal_checkpoint(TRUNCATE)").Run();
}

Status Catalog::CopyTo(const std::filesystem::path& file) { return connection_->CopyTo(file); }

Result<std::vector<std::string>> Catalog::FindDamage() {
  std::vector<std::string> damage;
  const auto collect = [&](const char* sql, std::string_view what) -> Status {
    Query query = connection_->Prepare(sql);
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(const bool row, query.Step());
      if (!row) return Status();
      if (const std::string text = query.Text(0); text != "ok") damage.push_back(StrCat(what, text));
    }
  };
  RAGTIME_RETURN_IF_ERROR(collect("PRAGMA integrity_check(20)", ""));
  if (!damage.empty()) return damage;
  RAGTIME_RETURN_IF_ERROR(collect("SELECT segment_id FROM deletions EXCEPT SELECT id FROM segments",
                                  "there are deletions of a segment that is not there: "));
  RAGTIME_RETURN_IF_ERROR(collect("SELECT segment_id FROM tail EXCEPT SELECT id FROM segments WHERE in_tail = 1",
                                  "there is an image of a segment that is not in the tail: "));
  RAGTIME_RETURN_IF_ERROR(
      collect("SELECT file_path FROM files, state WHERE since > commit_number", "a row is of a commit to come: "));
  RAGTIME_RETURN_IF_ERROR(collect("SELECT file_path FROM files_history, state WHERE until > commit_number",
                                  "a row of the past is of a commit to come: "));
  return damage;
}

}  // namespace ragtime
