// SPDX-License-Identifier: Apache-2.0
//
// A SqlSession is one connection to a database server. It alone knows SOCI, which loads the client library when the
// first session is made; cells are texts, and any bytes survive in them.
//
// Threads: one thread at a time. Errors name the server and the operation, never a password or a value: kUnavailable
// where the connection is gone, kAborted where the server asks to try again, kPermissionDenied, kInternal.
#ifndef RAGTIME_CATALOG_SQL_SQL_SESSION_H_
#define RAGTIME_CATALOG_SQL_SQL_SESSION_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/sql/sql_address.h"
#include "ragtime/status.h"

namespace ragtime {

// Text columns take UTF-8 without NUL, and compare without spaces at the end: what they cannot take is written \xHH.
std::string EncodeSqlText(std::string_view bytes);
std::string DecodeSqlText(std::string_view text);

class SqlSession {
 public:
  static Result<std::unique_ptr<SqlSession>> Connect(const SqlAddress& address);
  SqlSession(const SqlSession&) = delete;
  SqlSession& operator=(const SqlSession&) = delete;
  ~SqlSession();

  // `texts` stand for :t0, :t1 ... in `sql`. Returns how many rows it touched.
  Result<uint64_t> Execute(std::string_view operation, const std::string& sql, std::span<const std::string> texts = {});
  // The cells of every row; null is "".
  Result<std::vector<std::vector<std::string>>> Query(std::string_view operation, const std::string& sql,
                                                      std::span<const std::string> texts = {});
  SqlDialect dialect() const { return address_.dialect; }
  // No call will succeed any more.
  bool broken() const { return broken_; }

 private:
  struct Connection;
  SqlSession(const SqlAddress& address, std::unique_ptr<Connection> connection);
  template <typename Work>
  Status Guard(std::string_view operation, Work work);

  const SqlAddress address_;
  const std::unique_ptr<Connection> connection_;
  bool broken_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_SQL_SQL_SESSION_H_
