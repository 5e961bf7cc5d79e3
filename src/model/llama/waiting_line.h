// SPDX-License-Identifier: Apache-2.0
//
// WaitingLine is who has not started yet: clients are served in turn, each one's own requests in the order in which
// they came.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_LLAMA_WAITING_LINE_H_
#define RAGTIME_MODEL_LLAMA_WAITING_LINE_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <string>

#include "model/llama/ticket.h"

namespace ragtime {

class WaitingLine {
 public:
  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }

  void Add(TicketPtr ticket) { waiting_.push_back(std::move(ticket)); }
  // Those that nobody waits for any more.
  void DropLeft();
  // The first request of the client whose turn it is, of those that do not rather wait; null: there is none.
  TicketPtr Next(const std::function<bool(const Ticket&)>& rather_waits) const;
  // It starts, and has its client's turn.
  void Remove(const TicketPtr& ticket);

 private:
  std::deque<TicketPtr> waiting_;
  std::string last_client_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_WAITING_LINE_H_
