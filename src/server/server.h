// SPDX-License-Identifier: Apache-2.0
//
// Server answers for one knowledge base over HTTP: /v1/chat/completions, /v1/search, /v1/models, /healthz, /readyz and
// /metrics. docs/server.md is the reference.
//
// Threads: Start and Drain by one thread.
#ifndef RAGTIME_SERVER_SERVER_H_
#define RAGTIME_SERVER_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "ragtime/config.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

class Server {
 public:
  // `model`: what /v1/models lists. `knowledge_base` must outlive the server.
  static Result<std::unique_ptr<Server>> Start(const ServerConfig& config, std::string model,
                                               KnowledgeBase& knowledge_base);
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  virtual uint16_t port() const = 0;
  // Loads what questions need; until it is done /readyz says no. Questions that come before are answered all the same,
  // only later. Not OK: KnowledgeBase::Prepare's.
  virtual Status Prepare(const Context& context) = 0;
  // Takes no more requests, and waits for those under way as ServerConfig says. True if all could finish.
  virtual bool Drain() = 0;

 protected:
  Server() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_SERVER_SERVER_H_
