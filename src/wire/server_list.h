// SPDX-License-Identifier: Apache-2.0
//
// ServerList says which of several servers that can stand for each other is asked next: in the order written, but one
// that has failed is passed over for a while and then tried by one request at a time.
//
// Threads: every method may be called concurrently.
#ifndef RAGTIME_WIRE_SERVER_LIST_H_
#define RAGTIME_WIRE_SERVER_LIST_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

class ServerList {
 public:
  using Clock = std::chrono::steady_clock;

  // How long a server that failed is passed over, unless it said itself when to come back.
  static constexpr int64_t kRestMs = 30000;
  // How long others pass it over while the first request after its rest tries it.
  static constexpr int64_t kTrialMs = 5000;

  // "http://a/v1, http://b/v1": slashes at the ends are dropped. kInvalidArgument names `key`.
  static Result<std::vector<std::string>> ParseUrls(std::string_view text, std::string_view key);

  // At least one.
  explicit ServerList(std::vector<std::string> urls);

  size_t size() const { return urls_.size(); }
  const std::string& url(size_t server) const { return urls_[server]; }

  // All servers in the order in which a request tries them; those at rest stand last. Whoever gets a server whose rest
  // has just ended tries it for all others.
  std::vector<size_t> Order(Clock::time_point now = Clock::now());
  // Whether it has never answered, or failed since.
  bool IsUnproven(size_t server) const;
  void Answered(size_t server);
  void Failed(size_t server, std::optional<int64_t> rest_ms = std::nullopt, Clock::time_point now = Clock::now());

 private:
  struct State {
    bool proven = false;
    bool failed = false;
    Clock::time_point rests_until;
  };

  const std::vector<std::string> urls_;
  mutable std::mutex mutex_;
  std::vector<State> states_;  // Guarded by mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_SERVER_LIST_H_
