// SPDX-License-Identifier: Apache-2.0
#include "catalog/connection.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// One reader in the middle of recovering a log after a crash can hold another one up for a moment.
constexpr int kBusyTimeoutMs = 5000;
constexpr uintmax_t kPageBytes = 4096;  // SQLite's own default, which no catalog changes.

// The path as given where the current folder is gone.
std::filesystem::path Absolute(const std::filesystem::path& file) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(file, error);
  return error ? file : absolute;
}

// Percent-encodes what has a meaning in a URI.
std::string UriOf(const std::filesystem::path& file) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri = "file:";
  for (const char c : Absolute(file).string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7F || c == '%' || c == '?' || c == '#') {
      uri += '%';
      uri += kHex[byte >> 4];
      uri += kHex[byte & 15];
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

bool HasPendingLog(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file.string() + "-wal", error);
  return !error && size > 0;
}

// SQLite takes a last page that is cut off for one that ends in zeros. While there is a log, the page may stand there.
Status CheckWholePages(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error || size % kPageBytes == 0 || HasPendingLog(file)) return Status();
  return DataLossError(StrCat("the catalog ", file.string(), " is cut off after ", size, " bytes"),
                       "restore the knowledge base from a copy, or ingest the documents into a new one");
}

// SQLite keeps a log and an index of it beside the catalog, and where it cannot make them it says no more than that.
// What making a file there comes to tells a full disk from a missing right.
int WhyNotOpened(const std::filesystem::path& file, int error_number) {
  if (::access(file.c_str(), F_OK) != 0) return error_number;
  const std::string probe = file.string() + ".probe";
  const int fd = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  ::close(fd);
  ::unlink(probe.c_str());
  return 0;
}

}  // namespace

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::Bind(int64_t value) {
  if (statement_ != nullptr) sqlite3_bind_int64(statement_, next_parameter_++, value);
  return *this;
}

Query& Query::Bind(std::string_view value) {
  // A null pointer would bind NULL, not the empty string.
  const char* data = value.data() == nullptr ? "" : value.data();
  if (statement_ != nullptr) {
    sqlite3_bind_text64(statement_, next_parameter_++, data, value.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  return *this;
}

Query& Query::Bind(std::span<const std::byte> value) {
  if (statement_ != nullptr) {
    sqlite3_bind_blob64(statement_, next_parameter_++, value.data(), value.size(), SQLITE_STATIC);
  }
  return *this;
}

Query& Query::Bind(const std::optional<int64_t>& value) {
  if (value) return Bind(*value);
  if (statement_ != nullptr) sqlite3_bind_null(statement_, next_parameter_++);
  return *this;
}

Result<bool> Query::Step() {
  if (!status_.ok()) return status_;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_.ErrorOf(code);
}

Status Query::Run() {
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return Status();
  }
}

int64_t Query::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<int64_t> Query::OptionalInt(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return Int(column);
}

std::string Query::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::byte> Query::Blob(int column) const {
  const void* blob = sqlite3_column_blob(statement_, column);
  return {static_cast<const std::byte*>(blob), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

const std::filesystem::path& Query::file() const { return connection_.file_; }

Result<std::unique_ptr<Connection>> Connection::Open(const std::filesystem::path& file, Access access) {
  RAGTIME_RETURN_IF_ERROR(CheckWholePages(file));
  std::unique_ptr<Connection> connection(new Connection(file));
  if (access == Access::kWrite) {
    RAGTIME_RETURN_IF_ERROR(connection->OpenHandle(SQLITE_OPEN_READWRITE, false));
    return connection;
  }
  const bool folder_writable = ::access(Absolute(file).parent_path().c_str(), W_OK) == 0;
  RAGTIME_RETURN_IF_ERROR(connection->OpenHandle(SQLITE_OPEN_READONLY, !folder_writable && !HasPendingLog(file)));
  return connection;
}

Result<std::unique_ptr<Connection>> Connection::Create(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoError(errno, StrCat("making the catalog ", file.string()));
  ::close(fd);
  std::unique_ptr<Connection> connection(new Connection(file));
  RAGTIME_RETURN_IF_ERROR(connection->OpenHandle(SQLITE_OPEN_READWRITE, false));
  return connection;
}

Status Connection::OpenHandle(int flags, bool immutable) {
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const std::string name = immutable ? UriOf(file_) : file_.string();
  if (immutable) flags |= SQLITE_OPEN_URI;
  const int code = sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
  return Status();
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Status Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : ErrorOf(code);
}

Query Connection::Prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return Query(*this, nullptr, ErrorOf(code));
  }
  return Query(*this, statement, Status());
}

Result<bool> Connection::ReadBlob(const char* table, const char* column, int64_t row,
                                  const std::function<std::span<std::byte>(size_t size_bytes)>& room) {
  // Through a statement SQLite would put the blob together in memory of its own first, and megabytes be copied twice.
  sqlite3_blob* blob = nullptr;
  const int opened = sqlite3_blob_open(handle_, "main", table, column, row, /*flags=*/0, &blob);
  if (opened == SQLITE_ERROR) return false;
  if (opened != SQLITE_OK) return ErrorOf(opened);
  const int size = sqlite3_blob_bytes(blob);
  const int read = sqlite3_blob_read(blob, room(static_cast<size_t>(size)).data(), size, 0);
  const Status status = read == SQLITE_OK ? Status() : ErrorOf(read);
  sqlite3_blob_close(blob);
  if (!status.ok()) return status;
  return true;
}

Status Connection::CopyTo(const std::filesystem::path& file) {
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  RAGTIME_ASSIGN_OR_RETURN(const auto copy, Create(file));
  sqlite3_backup* backup = sqlite3_backup_init(copy->handle_, "main", handle_, "main");
  if (backup == nullptr) return copy->ErrorOf(sqlite3_errcode(copy->handle_));
  // All at once: within a read transaction no page can change under it.
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return Status();
  const int code = finished != SQLITE_OK ? finished : stepped;
  return ErrorOf(code).Annotate(StrCat("copying to ", file.string()));
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Status Connection::ErrorOf(int code) const {
  const std::string message =
      StrCat("the catalog ", file_.string(), ": ", handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code));
  const int error_number = handle_ != nullptr ? sqlite3_system_errno(handle_) : 0;
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return ResourceExhaustedError(message, "free some disk space and run the command again");
    case SQLITE_NOMEM:
      return ResourceExhaustedError(message, "free some memory");
    case SQLITE_TOOBIG:
      return ResourceExhaustedError(message, "commit fewer or smaller documents at once");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return UnavailableError(message, "another program holds the catalog; wait until it is done, then try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLossError(message, "restore the knowledge base from a copy, or ingest the documents into a new one");
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return PermissionDeniedError(
          message,
          "give this user the right to write the folder; if it holds changes that a crash left behind, open it "
          "once as a user who may write");
    case SQLITE_CANTOPEN:
      if (const int why = WhyNotOpened(file_, error_number); why != 0) {
        return ErrnoError(why, StrCat("opening the catalog ", file_.string()));
      }
      return PermissionDeniedError(message, "give this user the right to read and write the catalog and its folder");
    case SQLITE_IOERR:
      if (error_number != 0) return ErrnoError(error_number, StrCat("reading or writing the catalog ", file_.string()));
      return UnavailableError(message, "check the disk");
    case SQLITE_ERROR:
      // Our statements are right, so the tables are not ours: another program's file, or one cut off.
      return DataLossError(message, "this is no catalog of Ragtime; choose another folder");
    default:
      return InternalError(message);
  }
}

}  // namespace ragtime
