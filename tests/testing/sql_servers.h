// SPDX-License-Identifier: Apache-2.0
//
// SqlServer runs a real PostgreSQL or MariaDB in a folder of its own, as an unprivileged user, reached by a socket in
// that folder alone, and ends it. The tests fail where the server is not installed.
#ifndef RAGTIME_TESTS_TESTING_SQL_SERVERS_H_
#define RAGTIME_TESTS_TESTING_SQL_SERVERS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "testing/store_testing.h"

namespace ragtime {

class SqlServer {
 public:
  virtual ~SqlServer();
  SqlServer(const SqlServer&) = delete;
  SqlServer& operator=(const SqlServer&) = delete;

  // Null, and a failed test, where it cannot be started.
  static std::unique_ptr<SqlServer> StartPostgresql();
  static std::unique_ptr<SqlServer> StartMariadb();

  std::string uri() const { return Uri("ragtime:" + std::string(kEncodedPassword)); }  // Of an ordinary user.
  std::string wrong_uri() const { return Uri("ragtime:wrong%20one"); }
  static constexpr char kPassword[] = "s'e\\c@r t";  // What may go wrong on its way.
  static constexpr char kEncodedPassword[] = "s'e%5Cc%40r%20t";

  void Stall(bool stalled);                   // Every process of it stands still; connections stay.
  void Kill();                                // At once, as a crash.
  bool Start();                               // After Kill, or a first time.
  void KillClients();                         // Ends every connection of the ordinary user, wherever it is.
  std::string Admin(const std::string& sql);  // What the administrator is answered.

 protected:
  SqlServer();
  virtual std::string Uri(const std::string& user) const = 0;
  virtual std::vector<std::string> ServerCommand() const = 0;
  virtual std::vector<std::string> AdminCommand() const = 0;  // The statement comes behind it.
  virtual std::string KillStatement() = 0;
  std::string folder() const { return folder_.path().string(); }
  // The exit code, with what was printed in *output.
  int Run(const std::vector<std::string>& command, std::string* output) const;

 private:
  TemporaryFolder folder_;
  pid_t pid_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_SQL_SERVERS_H_
