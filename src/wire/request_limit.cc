// SPDX-License-Identifier: Apache-2.0
#include "wire/request_limit.h"

namespace ragtime {

Result<RequestLimit::Place> RequestLimit::Take(const Context& context, std::string_view client) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  std::unique_lock lock(mutex_);
  const auto waiter = waiters_.insert(waiters_.end(), {.client = std::string(client)});
  ServeNext();
  const auto served = [&] { return waiter->served; };
  if (context.deadline) {
    changed_.wait_until(lock, context.stop, *context.deadline, served);
  } else {
    changed_.wait(lock, context.stop, served);
  }
  const bool has_place = waiter->served;
  waiters_.erase(waiter);
  if (has_place) return Place(*this);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  return DeadlineExceededError("the deadline passed while other requests were under way");
}

size_t RequestLimit::running() const {
  std::lock_guard lock(mutex_);
  return running_;
}

size_t RequestLimit::waiting() const {
  std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const Waiter& waiter : waiters_) count += waiter.served ? 0 : 1;
  return count;
}

void RequestLimit::GiveBack() {
  std::lock_guard lock(mutex_);
  ++free_;
  --running_;
  ServeNext();
}

void RequestLimit::ServeNext() {
  if (free_ == 0) return;
  // The least name behind the last one served, else the least of all.
  Waiter* next = nullptr;
  for (Waiter& waiter : waiters_) {
    if (waiter.served) continue;
    if (next == nullptr) {
      next = &waiter;
      continue;
    }
    const bool is_behind = waiter.client > last_client_;
    const bool next_is_behind = next->client > last_client_;
    if ((is_behind && !next_is_behind) || (is_behind == next_is_behind && waiter.client < next->client)) next = &waiter;
  }
  if (next == nullptr) return;
  next->served = true;
  last_client_ = next->client;
  --free_;
  ++running_;
  changed_.notify_all();
}

}  // namespace ragtime
