// SPDX-License-Identifier: Apache-2.0
//
// A SqlAddress names a database server: postgresql://user:password@host:port/database?sslmode=require,
// mysql://... or mariadb://..., read once and never shown with its password.
#ifndef RAGTIME_CATALOG_SQL_SQL_ADDRESS_H_
#define RAGTIME_CATALOG_SQL_SQL_ADDRESS_H_

#include <map>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

enum class SqlDialect { kPostgresql, kMysql };

struct SqlAddress {
  SqlDialect dialect = SqlDialect::kPostgresql;
  std::string user;
  std::string password;
  std::string host;
  std::string port;
  std::string database;
  // Of postgresql those of libpq (host, sslmode, sslrootcert ...); of mysql: socket, sslca, sslcert, sslkey.
  std::map<std::string, std::string> parameters;
  int silence_timeout_s = 60;  // Of both: how long the server may say nothing.

  // kInvalidArgument never repeats the text, which may hold a password.
  static Result<SqlAddress> Parse(std::string_view uri);
  // "postgresql://host:port/database": what messages name.
  std::string name() const;
  // As the client library wants it, with time limits.
  std::string ConnectString() const;
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_SQL_SQL_ADDRESS_H_
