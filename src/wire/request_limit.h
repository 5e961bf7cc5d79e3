// SPDX-License-Identifier: Apache-2.0
//
// RequestLimit lets so many requests to a server be under way at once; the others wait, client by client in turn, each
// one's own in the order they came.
//
// Threads: every method may be called concurrently; Take waits.
#ifndef RAGTIME_WIRE_REQUEST_LIMIT_H_
#define RAGTIME_WIRE_REQUEST_LIMIT_H_

#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

class RequestLimit {
 public:
  // The right to have one request under way, given back at its end. The limit must outlive it.
  class Place {
   public:
    explicit Place(RequestLimit& limit) : limit_(&limit) {}
    Place(Place&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (limit_ != nullptr) limit_->GiveBack();
    }

   private:
    RequestLimit* limit_;
  };

  // At least 1.
  explicit RequestLimit(size_t places) : free_(places) {}
  RequestLimit(const RequestLimit&) = delete;
  RequestLimit& operator=(const RequestLimit&) = delete;

  // Waits for its turn. kCancelled, kDeadlineExceeded: of the context.
  Result<Place> Take(const Context& context, std::string_view client = "");

  size_t running() const;
  size_t waiting() const;

 private:
  struct Waiter {
    std::string client;
    bool served = false;
  };

  void GiveBack();
  void ServeNext();  // Requires mutex_.

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  size_t free_;                // Guarded by mutex_, as what follows.
  size_t running_ = 0;         // Served and not given back.
  std::list<Waiter> waiters_;  // In the order they came.
  std::string last_client_;
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_REQUEST_LIMIT_H_
