// SPDX-License-Identifier: Apache-2.0
//
// Real Redis and Memcached servers of a test, with certificates that the test makes.
//
// Threads: one at a time. Errors: a server that does not start, or is not installed, throws, which fails the test.
#ifndef RAGTIME_TESTS_TESTING_CACHE_SERVERS_H_
#define RAGTIME_TESTS_TESTING_CACHE_SERVERS_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "testing/server_process.h"

namespace ragtime {

// A Redis on `port`; 0: a free one. `more` are further arguments. With "--tls-port" among them it speaks TLS there.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more = {}, int port = 0);
  int port() const { return port_; }
  std::string uri() const;
  ServerProcess& process() { return *process_; }

 private:
  int port_ = 0;
  std::unique_ptr<ServerProcess> process_;
};

class MemcachedServer {
 public:
  explicit MemcachedServer(std::vector<std::string> more = {}, int port = 0);
  int port() const { return port_; }
  std::string uri() const;
  ServerProcess& process() { return *process_; }

 private:
  int port_ = 0;
  std::unique_ptr<ServerProcess> process_;
};

// A certificate authority, what it certifies (127.0.0.1 and a client), and another authority, as PEM files.
class TestCertificates {
 public:
  TestCertificates();
  std::string File(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_CACHE_SERVERS_H_
