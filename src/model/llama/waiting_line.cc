// SPDX-License-Identifier: Apache-2.0
#include "model/llama/waiting_line.h"

#include <utility>

namespace ragtime {

void WaitingLine::DropLeft() {
  std::erase_if(waiting_, [](const TicketPtr& ticket) { return ticket->left.load(); });
}

TicketPtr WaitingLine::Next(const std::function<bool(const Ticket&)>& rather_waits) const {
  TicketPtr first;
  for (const TicketPtr& ticket : waiting_) {
    if (rather_waits(*ticket)) continue;
    // In turn: the least name behind the last one served, else the least of all.
    const bool is_next = ticket->client > last_client_;
    if (first == nullptr || (is_next && !(first->client > last_client_)) ||
        (is_next == (first->client > last_client_) && ticket->client < first->client)) {
      first = ticket;
    }
  }
  return first;
}

void WaitingLine::Remove(const TicketPtr& ticket) {
  std::erase(waiting_, ticket);
  last_client_ = ticket->client;
}

}  // namespace ragtime
