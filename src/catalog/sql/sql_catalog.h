// SPDX-License-Identifier: Apache-2.0
//
// SqlCatalog keeps SharedCatalogs in a PostgreSQL, MariaDB or MySQL database, any number of them in three tables:
// ragtime_catalogs, ragtime_settings and ragtime_files. docs/formats/sql-catalog.md lists the columns.
//
// Threads: as SharedCatalog says. A connection that breaks is made anew, and an Apply whose answer was lost is looked
// up by its commit_id: it is done once or not at all.
#ifndef RAGTIME_CATALOG_SQL_SQL_CATALOG_H_
#define RAGTIME_CATALOG_SQL_SQL_CATALOG_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "catalog/shared_catalog.h"
#include "catalog/sql/sql_address.h"
#include "catalog/sql/sql_session.h"

namespace ragtime {

class SqlCatalog : public SharedCatalog {
 public:
  // `name` tells catalogs of one database apart: letters, digits, '_', '-' and '.', at most 63. Makes the tables where
  // there are none. `password` counts where the URI has none.
  static Result<std::unique_ptr<SqlCatalog>> Open(const Context& context, std::string_view uri, std::string_view name,
                                                  std::string_view password = {});
  ~SqlCatalog() override;

  Result<SharedCounters> ReadCounters(const Context& context) override;
  Result<SharedState> ReadAll(const Context& context) override;
  Status Apply(const Context& context, const SharedChange& change) override;
  Status AcquireWrite(const Context& context, int64_t timeout_ms) override;
  void ReleaseWrite() override;

 private:
  // One connection, made when it is needed. The mutex is held by whoever uses it.
  struct Line {
    std::mutex mutex;
    std::unique_ptr<SqlSession> session;
  };
  SqlCatalog(SqlAddress address, std::string name) : address_(std::move(address)), name_(std::move(name)) {}

  Status MakeTables(SqlSession& session);
  // Calls `work` on a live connection, again on a new one where it broke, as wire/retry decides. line.mutex is held.
  Status WithSession(const Context& context, Line& line, const std::function<Status(SqlSession&)>& work);
  Status ApplyOnce(const Context& context, SqlSession& session, const SharedChange& change, const std::string& id);
  Status WriteRows(const Context& context, SqlSession& session, const SharedChange& change);
  Status PutFiles(const Context& context, SqlSession& session, const SharedChange& change);
  Status PutSettings(SqlSession& session, const SharedChange& change);
  // Whether the lock was free. writer_.mutex is held.
  Result<bool> TryLock(SqlSession& session);
  Status NameHolder(SqlSession& session);

  const SqlAddress address_;
  const std::string name_;
  Line reader_;
  Line writer_;             // Holds the advisory lock, which ends with its connection.
  bool may_write_ = false;  // Guarded by writer_.mutex.
  bool locked_ = false;     // On the present connection of writer_. Guarded by writer_.mutex.
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_SQL_SQL_CATALOG_H_
