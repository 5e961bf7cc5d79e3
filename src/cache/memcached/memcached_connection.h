// SPDX-License-Identifier: Apache-2.0
//
// MemcachedConnection speaks Memcached's text protocol: sets go out in one write, gets in one line, within a time.
//
// By hand, because libmemcached 1.1.4 takes an answer in another protocol for "not found", and never comes back from a
// server that sends a byte now and then (docs/decisions/cache-clients.md).
//
// Threads: one at a time. Errors: kUnavailable (refused, closed, garbage), kDeadlineExceeded; after any of them the
// connection is of no further use.
#ifndef RAGTIME_CACHE_MEMCACHED_MEMCACHED_CONNECTION_H_
#define RAGTIME_CACHE_MEMCACHED_MEMCACHED_CONNECTION_H_

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/server_address.h"
#include "ragtime/status.h"

namespace ragtime {

class MemcachedConnection {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Set {
    std::string key;  // At most 250 bytes, none of them a blank or a control character.
    std::string_view value;
    int64_t expiration = 0;
  };

  static Result<std::unique_ptr<MemcachedConnection>> Open(const ServerAddress& address, std::string_view name,
                                                           TimePoint deadline);
  MemcachedConnection(int socket, std::string_view name) : socket_(socket), name_(name) {}
  MemcachedConnection(const MemcachedConnection&) = delete;
  MemcachedConnection& operator=(const MemcachedConnection&) = delete;
  ~MemcachedConnection();

  // Until when the following calls may take.
  void SetDeadline(TimePoint deadline) { deadline_ = deadline; }

  // For each whether the server stored it; it refuses an item that is larger than its -I.
  Result<std::vector<bool>> Store(const std::vector<Set>& sets);
  // Those that are there.
  Result<std::map<std::string, std::string>> Read(const std::vector<std::string>& keys);
  Status Delete(const std::string& key);
  Status Version();

  // The server closed it before it said anything to the last request: it was restarted meanwhile.
  bool closed() const { return closed_; }

 private:
  Status Wait(short events);
  Status Send(std::string_view bytes);
  // Reads until `size` bytes are there.
  Status Fill(size_t size);
  Result<std::string> ReadLine();
  Status TooLate() const;
  Status BrokeOff(std::string_view how);
  Status Garbage(std::string_view line) const;

  const int socket_;
  const std::string name_;  // For messages.
  TimePoint deadline_;
  std::string received_;   // And not read yet.
  bool answered_ = false;  // Since the last Send.
  bool closed_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_MEMCACHED_MEMCACHED_CONNECTION_H_
