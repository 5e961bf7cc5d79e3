// SPDX-License-Identifier: Apache-2.0
#include "catalog/sql/sql_catalog.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "wire/field_json.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

constexpr int kFormat = 1;
constexpr size_t kRowsPerInsert = 100;
constexpr size_t kIdsPerDelete = 1000;
constexpr size_t kSettingKeyBytesMax = 200;
constexpr int64_t kLockPollMs = 50;

constexpr std::string_view kCounterColumns = "version, generation, next_document_id, next_node_id";
constexpr std::string_view kFileColumns =
    "id, parent_id, is_dir, file_size, create_time, modified_time_ns, status, nodes, file_name, file_path, file_type, "
    "content_hash, encoding, meta_hash, fields, error";

// What differs between the two: how long and how exactly compared texts are declared.
std::vector<std::string> TableStatements(SqlDialect dialect) {
  const bool postgresql = dialect == SqlDialect::kPostgresql;
  const std::string key = postgresql ? "TEXT" : "VARCHAR(255)";
  const std::string text = postgresql ? "TEXT" : "LONGTEXT";
  const std::string end = postgresql ? ")" : ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  return {StrCat("CREATE TABLE IF NOT EXISTS ragtime_catalogs (name ", key,
                 " NOT NULL PRIMARY KEY, format INTEGER NOT NULL, version BIGINT NOT NULL, generation BIGINT NOT NULL, "
                 "next_document_id BIGINT NOT NULL, next_node_id BIGINT NOT NULL, commit_id ",
                 key, " NOT NULL, writer ", text, " NOT NULL", end),
          StrCat("CREATE TABLE IF NOT EXISTS ragtime_settings (catalog ", key, " NOT NULL, name ", key,
                 " NOT NULL, value ", text, " NOT NULL, PRIMARY KEY (catalog, name)", end),
          StrCat("CREATE TABLE IF NOT EXISTS ragtime_files (catalog ", key, " NOT NULL, id BIGINT NOT NULL, file_name ",
                 text, " NOT NULL, file_path ", text, " NOT NULL, file_type ", text,
                 " NOT NULL, is_dir INTEGER NOT NULL, file_size BIGINT NOT NULL, parent_id BIGINT, create_time BIGINT "
                 "NOT NULL, modified_time_ns BIGINT NOT NULL, content_hash ",
                 text, " NOT NULL, encoding ", text, " NOT NULL, meta_hash ", text, " NOT NULL, fields ", text,
                 " NOT NULL, status INTEGER NOT NULL, error ", text,
                 " NOT NULL, nodes BIGINT NOT NULL, PRIMARY KEY (catalog, id)", end)};
}

template <typename Integer>
Integer NumberOf(const std::string& cell) {
  int64_t number = 0;
  std::from_chars(cell.data(), cell.data() + cell.size(), number);
  return static_cast<Integer>(number);
}

// Columns of 64 bits with a sign; a number above comes back as it was.
int64_t Signed(uint64_t number) { return static_cast<int64_t>(number); }

Result<FileRecord> FileOf(std::vector<std::string>& cells) {
  FileRecord file;
  file.id = NumberOf<int64_t>(cells[0]);
  if (!cells[1].empty()) file.parent_id = NumberOf<int64_t>(cells[1]);
  file.is_dir = cells[2] != "0";
  file.file_size = NumberOf<uint64_t>(cells[3]);
  file.create_time_ms = NumberOf<int64_t>(cells[4]);
  file.modified_time_ns = NumberOf<int64_t>(cells[5]);
  file.status = static_cast<FileStatus>(NumberOf<int>(cells[6]));
  file.nodes = NumberOf<uint64_t>(cells[7]);
  file.file_name = std::move(cells[8]);
  file.file_path = std::move(cells[9]);
  file.file_type = std::move(cells[10]);
  file.content_hash = std::move(cells[11]);
  file.encoding = std::move(cells[12]);
  file.meta_hash = std::move(cells[13]);
  RAGTIME_ASSIGN_OR_RETURN(file.fields, DecodeFields(cells[14]));
  file.error = std::move(cells[15]);
  return file;
}

SharedCounters CountersOf(const std::vector<std::string>& cells) {
  return {.version = NumberOf<uint64_t>(cells[0]),
          .generation = NumberOf<uint64_t>(cells[1]),
          .next_document_id = NumberOf<int64_t>(cells[2]),
          .next_node_id = NumberOf<int64_t>(cells[3])};
}

std::string RandomId() {
  std::random_device random;
  return HashHex(StrCat(random(), " ", random(), " ", random(), " ", random()));
}

// "process 123 on desk since 1764086400000".
std::string Myself() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return StrCat("process ", ::getpid(), " on ", host.data(), ", since Unix time ", UnixTimeMs() / 1000);
}

Status CheckName(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (!name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), fits)) return Status();
  return InvalidArgumentError(StrCat("\"", name.substr(0, 80), "\" is no name of a catalog"),
                              "use at most 63 letters, digits, _, - and .");
}

}  // namespace

Result<std::unique_ptr<SqlCatalog>> SqlCatalog::Open(const Context& context, std::string_view uri,
                                                     std::string_view name, std::string_view password) {
  RAGTIME_RETURN_IF_ERROR(CheckName(name));
  RAGTIME_ASSIGN_OR_RETURN(SqlAddress address, SqlAddress::Parse(uri));
  if (address.password.empty()) address.password = password;
  std::unique_ptr<SqlCatalog> catalog(new SqlCatalog(std::move(address), std::string(name)));
  const std::lock_guard lock(catalog->reader_.mutex);
  RAGTIME_RETURN_IF_ERROR(catalog->WithSession(context, catalog->reader_, [&catalog](SqlSession& session) {
    // Who may only read must not need the right to make tables.
    const auto found = session.Query("reading the tables", "SELECT MAX(format) FROM ragtime_catalogs");
    if (found.ok() && NumberOf<int>(found->front().front()) > kFormat) {
      return FailedPreconditionError(StrCat(catalog->address_.name(), ": the tables are of format ",
                                            found->front().front(), ", newer than ", kFormat),
                                     "use a newer Ragtime");
    }
    if (found.ok() || session.broken()) return found.ok() ? Status() : found.status();
    return catalog->MakeTables(session);
  }));
  return catalog;
}

SqlCatalog::~SqlCatalog() { ReleaseWrite(); }

Status SqlCatalog::MakeTables(SqlSession& session) {
  for (const std::string& sql : TableStatements(session.dialect())) {
    Result<uint64_t> made = session.Execute("making the tables", sql);
    // Two that make the same table at the same time: one of them is told that it exists after all.
    if (!made.ok() && !session.broken()) made = session.Execute("making the tables", sql);
    RAGTIME_RETURN_IF_ERROR(made.status());
  }
  return Status();
}

Status SqlCatalog::WithSession(const Context& context, Line& line, const std::function<Status(SqlSession&)>& work) {
  Retry retry(context, {});
  for (;;) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    Status status;
    if (line.session == nullptr || line.session->broken()) {
      line.session.reset();
      if (&line == &writer_) locked_ = false;
      Result<std::unique_ptr<SqlSession>> session = SqlSession::Connect(address_);
      status = session.status();
      if (session.ok()) line.session = *std::move(session);
    }
    if (status.ok()) status = work(*line.session);
    if (status.ok()) return status;
    const bool again = (status.code() == StatusCode::kUnavailable && (!line.session || line.session->broken())) ||
                       (status.code() == StatusCode::kAborted && status.remedy() == "try again");
    if (!again) return status;
    RAGTIME_RETURN_IF_ERROR(retry.Wait(
        status.code() == StatusCode::kAborted ? UnavailableError(status.message(), status.remedy()) : status));
  }
}

Result<SharedCounters> SqlCatalog::ReadCounters(const Context& context) {
  const std::lock_guard lock(reader_.mutex);
  SharedCounters counters;
  const Status done = WithSession(context, reader_, [&](SqlSession& session) -> Status {
    const std::vector<std::string> name = {name_};
    RAGTIME_ASSIGN_OR_RETURN(
        const auto rows,
        session.Query("reading the counters",
                      StrCat("SELECT ", kCounterColumns, " FROM ragtime_catalogs WHERE name = :t0"), name));
    counters = rows.empty() ? SharedCounters() : CountersOf(rows.front());
    return Status();
  });
  if (!done.ok()) return done;
  return counters;
}

Result<SharedState> SqlCatalog::ReadAll(const Context& context) {
  const std::lock_guard lock(reader_.mutex);
  SharedState state;
  const Status done = WithSession(context, reader_, [&](SqlSession& session) -> Status {
    state = {};
    const std::vector<std::string> name = {name_};
    const auto read = [&]() -> Status {
      RAGTIME_RETURN_IF_ERROR(session
                                  .Execute("reading", session.dialect() == SqlDialect::kPostgresql
                                                          ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                                          : "START TRANSACTION WITH CONSISTENT SNAPSHOT")
                                  .status());
      RAGTIME_ASSIGN_OR_RETURN(
          auto rows,
          session.Query("reading the counters",
                        StrCat("SELECT ", kCounterColumns, " FROM ragtime_catalogs WHERE name = :t0"), name));
      if (!rows.empty()) state.counters = CountersOf(rows.front());
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_ASSIGN_OR_RETURN(
          rows,
          session.Query("reading the settings", "SELECT name, value FROM ragtime_settings WHERE catalog = :t0", name));
      for (std::vector<std::string>& cells : rows) state.settings[std::move(cells[0])] = std::move(cells[1]);
      RAGTIME_ASSIGN_OR_RETURN(
          rows, session.Query("reading the files",
                              StrCat("SELECT ", kFileColumns, " FROM ragtime_files WHERE catalog = :t0"), name));
      for (std::vector<std::string>& cells : rows) {
        Result<FileRecord> file = FileOf(cells);
        if (!file.ok()) return file.status().Annotate(StrCat(address_.name(), ": reading the files"));
        state.files.push_back(*std::move(file));
      }
      return Status();
    };
    const Status status = read();
    if (session.broken()) return status;
    const Status ended = session.Execute("reading", "COMMIT").status();
    return status.ok() ? ended : status;
  });
  if (!done.ok()) return done;
  // The server's order of texts is its own.
  std::sort(state.files.begin(), state.files.end(),
            [](const FileRecord& a, const FileRecord& b) { return a.file_path < b.file_path; });
  return state;
}

Status SqlCatalog::Apply(const Context& context, const SharedChange& change) {
  if (change.counters.version == 0) return InvalidArgumentError("a commit to a catalog has the version 0");
  for (const auto& [key, value] : change.settings) {
    if (key.size() > kSettingKeyBytesMax) {
      return InvalidArgumentError(StrCat("the name of a setting is longer than ", kSettingKeyBytesMax, " bytes"));
    }
  }
  const std::lock_guard lock(writer_.mutex);
  const std::string id = RandomId();
  return WithSession(context, writer_, [&](SqlSession& session) -> Status {
    // The right to write went with the old connection, and somebody else may have taken it.
    if (may_write_ && !locked_) {
      RAGTIME_ASSIGN_OR_RETURN(const bool free, TryLock(session));
      if (!free) return NameHolder(session).Annotate("the right to write was lost with the connection");
    }
    Status status = ApplyOnce(context, session, change, id);
    if (!status.ok() && !session.broken()) (void)session.Execute("giving up a commit", "ROLLBACK");
    return status;
  });
}

Status SqlCatalog::ApplyOnce(const Context& context, SqlSession& session, const SharedChange& change,
                             const std::string& id) {
  const SharedCounters& to = change.counters;
  const std::vector<std::string> name = {name_};
  RAGTIME_RETURN_IF_ERROR(session.Execute("beginning a commit", "BEGIN").status());
  if (to.version == 1) {
    const bool postgresql = session.dialect() == SqlDialect::kPostgresql;
    const std::string sql = StrCat(postgresql ? "INSERT" : "INSERT IGNORE", " INTO ragtime_catalogs (name, format, ",
                                   kCounterColumns, ", commit_id, writer) VALUES (:t0, ", kFormat,
                                   ", 0, 0, 1, 1, '', '')", postgresql ? " ON CONFLICT DO NOTHING" : "");
    RAGTIME_RETURN_IF_ERROR(session.Execute("making the catalog", sql, name).status());
  }
  const std::vector<std::string> texts = {id, name_};
  RAGTIME_ASSIGN_OR_RETURN(
      const uint64_t updated,
      session.Execute(
          "writing the counters",
          StrCat("UPDATE ragtime_catalogs SET version = ", Signed(to.version), ", generation = ", Signed(to.generation),
                 ", next_document_id = ", to.next_document_id, ", next_node_id = ", to.next_node_id,
                 ", commit_id = :t0 WHERE name = :t1 AND version = ", Signed(to.version - 1)),
          texts));
  if (updated == 0) {
    RAGTIME_ASSIGN_OR_RETURN(const auto rows,
                             session.Query("reading the counters",
                                           "SELECT version, commit_id FROM ragtime_catalogs WHERE name = :t0", name));
    // The commit of before, whose answer was lost with the connection.
    if (!rows.empty() && rows.front()[1] == id) return session.Execute("committing", "COMMIT").status();
    return Status(
        StatusCode::kAborted,
        StrCat(address_.name(), ": the catalog ", name_, " is at version ", rows.empty() ? "0" : rows.front()[0],
               ", and the commit expects ", to.version - 1, ": somebody else has written"),
        "read it again, then repeat the change");
  }
  RAGTIME_RETURN_IF_ERROR(WriteRows(context, session, change));
  RAGTIME_RETURN_IF_ERROR(context.Check());
  return session.Execute("committing", "COMMIT").status();
}

Status SqlCatalog::WriteRows(const Context& context, SqlSession& session, const SharedChange& change) {
  const std::vector<std::string> name = {name_};
  for (size_t done = 0; done < change.removed.size(); done += kIdsPerDelete) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::string ids;
    for (size_t i = done; i < std::min(done + kIdsPerDelete, change.removed.size()); ++i) {
      ids += StrCat(ids.empty() ? "" : ", ", change.removed[i]);
    }
    RAGTIME_RETURN_IF_ERROR(session
                                .Execute("removing files",
                                         StrCat("DELETE FROM ragtime_files WHERE catalog = :t0 AND id IN (", ids, ")"),
                                         name)
                                .status());
  }
  RAGTIME_RETURN_IF_ERROR(PutFiles(context, session, change));
  return PutSettings(session, change);
}

Status SqlCatalog::PutFiles(const Context& context, SqlSession& session, const SharedChange& change) {
  for (size_t done = 0; done < change.put.size(); done += kRowsPerInsert) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::string rows;
    std::vector<std::string> texts = {name_};
    for (size_t i = done; i < std::min(done + kRowsPerInsert, change.put.size()); ++i) {
      const FileRecord& file = change.put[i];
      rows += StrCat(rows.empty() ? "" : ", ", "(:t0, ", file.id, ", ",
                     file.parent_id ? std::to_string(*file.parent_id) : "NULL", ", ", file.is_dir ? 1 : 0, ", ",
                     Signed(file.file_size), ", ", file.create_time_ms, ", ", file.modified_time_ns, ", ",
                     static_cast<int>(file.status), ", ", Signed(file.nodes));
      for (const std::string& text : {file.file_name, file.file_path, file.file_type, file.content_hash, file.encoding,
                                      file.meta_hash, EncodeFields(file.fields), file.error}) {
        rows += StrCat(", :t", texts.size());
        texts.push_back(text);
      }
      rows += ")";
    }
    RAGTIME_RETURN_IF_ERROR(
        session
            .Execute("writing files", StrCat("INSERT INTO ragtime_files (catalog, ", kFileColumns, ") VALUES ", rows),
                     texts)
            .status());
  }
  return Status();
}

Status SqlCatalog::PutSettings(SqlSession& session, const SharedChange& change) {
  for (const auto& [key, value] : change.settings) {
    const std::vector<std::string> which = {name_, key};
    const std::vector<std::string> row = {name_, key, value};
    RAGTIME_RETURN_IF_ERROR(
        session
            .Execute("writing the settings", "DELETE FROM ragtime_settings WHERE catalog = :t0 AND name = :t1", which)
            .status());
    RAGTIME_RETURN_IF_ERROR(session
                                .Execute("writing the settings",
                                         "INSERT INTO ragtime_settings (catalog, name, value) VALUES (:t0, :t1, :t2)",
                                         row)
                                .status());
  }
  return Status();
}

// An advisory lock of the connection: it goes with the process that holds it, however that ends.
Result<bool> SqlCatalog::TryLock(SqlSession& session) {
  const bool postgresql = session.dialect() == SqlDialect::kPostgresql;
  const uint64_t key = Hash64(StrCat("ragtime catalog ", name_));
  const std::string sql =
      postgresql ? StrCat("SELECT CASE WHEN pg_try_advisory_lock(", Signed(key >> 1), ") THEN 1 ELSE 0 END")
                 : StrCat("SELECT GET_LOCK('ragtime-", key, "', 0)");
  RAGTIME_ASSIGN_OR_RETURN(const auto rows, session.Query("taking the right to write", sql));
  if (rows.front().front() != "1") return false;
  locked_ = true;
  const std::vector<std::string> texts = {Myself(), name_};
  RAGTIME_RETURN_IF_ERROR(
      session.Execute("taking the right to write", "UPDATE ragtime_catalogs SET writer = :t0 WHERE name = :t1", texts)
          .status());
  return true;
}

Status SqlCatalog::NameHolder(SqlSession& session) {
  const std::vector<std::string> name = {name_};
  RAGTIME_ASSIGN_OR_RETURN(
      const auto rows,
      session.Query("asking who writes", "SELECT writer FROM ragtime_catalogs WHERE name = :t0", name));
  const bool known = !rows.empty() && !rows.front().front().empty();
  return FailedPreconditionError(StrCat(address_.name(), ": the catalog ", name_, " is being written by ",
                                        known ? rows.front().front() : std::string("another process")),
                                 "wait until it is done, or set a longer --lock-timeout");
}

Status SqlCatalog::AcquireWrite(const Context& context, int64_t timeout_ms) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    {
      const std::lock_guard lock(writer_.mutex);
      bool free = false;
      Status holder;
      const Status asked = WithSession(context, writer_, [&](SqlSession& session) -> Status {
        if (locked_) {
          free = true;
          return Status();
        }
        RAGTIME_ASSIGN_OR_RETURN(free, TryLock(session));
        if (!free) holder = NameHolder(session);
        return Status();
      });
      if (!asked.ok()) return asked;
      if (free) may_write_ = true;
      if (free) return Status();
      if (std::chrono::steady_clock::now() >= until) return holder;
    }
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, kLockPollMs));
  }
}

void SqlCatalog::ReleaseWrite() {
  const std::lock_guard lock(writer_.mutex);
  may_write_ = false;
  locked_ = false;
  writer_.session.reset();  // The server gives the lock back with the connection.
}

}  // namespace ragtime
