// SPDX-License-Identifier: Apache-2.0
//
// Connection is one open SQLite file, Query one run of a prepared statement on it.
//
// Threads: a Connection and its queries are used by one thread at a time. Ownership: a Query borrows its Connection,
// which keeps the prepared statement for the next run. Errors name the file, with a remedy for each of SQLite's codes.
#ifndef RAGTIME_CATALOG_CONNECTION_H_
#define RAGTIME_CATALOG_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ragtime/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ragtime {

class Connection;

class Query {
 public:
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  // Each binds the next parameter. Strings and blobs are not copied: they must live until the last Step.
  Query& Bind(int64_t value);
  Query& Bind(uint64_t value) { return Bind(static_cast<int64_t>(value)); }
  Query& Bind(std::string_view value);
  Query& Bind(std::span<const std::byte> value);
  Query& Bind(const std::optional<int64_t>& value);

  Result<bool> Step();  // True: there is a row, whose columns can be read until the next Step.
  Status Run();         // Steps to the end.

  int64_t Int(int column) const;
  uint64_t Unsigned(int column) const { return static_cast<uint64_t>(Int(column)); }
  std::optional<int64_t> OptionalInt(int column) const;
  std::string Text(int column) const;
  std::span<const std::byte> Blob(int column) const;  // Valid until the next Step.
  const std::filesystem::path& file() const;

 private:
  friend class Connection;
  Query(Connection& connection, sqlite3_stmt* statement, Status status)
      : connection_(connection), statement_(statement), status_(std::move(status)) {}

  Connection& connection_;
  sqlite3_stmt* statement_;  // Null if status_ is an error.
  Status status_;
  int next_parameter_ = 1;
};

enum class Access { kRead, kWrite };

class Connection {
 public:
  // Opens an existing file. A file in a folder that this process cannot write is read as it lies if no other process
  // left changes beside it in the -wal file.
  static Result<std::unique_ptr<Connection>> Open(const std::filesystem::path& file, Access access);
  // Makes a new file, which must not exist.
  static Result<std::unique_ptr<Connection>> Create(const std::filesystem::path& file);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  Status Execute(const char* sql);  // Of any number of statements, without parameters.
  // `sql` must be a literal: the statement is kept by its address. An error shows at the first Step.
  Query Prepare(const char* sql);
  // Copies the blob in that column of that row into what `room` gives for its size; false where there is no such row.
  Result<bool> ReadBlob(const char* table, const char* column, int64_t row,
                        const std::function<std::span<std::byte>(size_t size_bytes)>& room);
  // Makes `file` the same database by SQLite's online backup. Others may write to this one meanwhile.
  Status CopyTo(const std::filesystem::path& file);
  bool in_transaction() const;

 private:
  friend class Query;
  explicit Connection(std::filesystem::path file) : file_(std::move(file)) {}
  Status OpenHandle(int flags, bool immutable);
  Status ErrorOf(int code) const;

  std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_CONNECTION_H_
