// SPDX-License-Identifier: Apache-2.0
//
// ScriptedTcpServer accepts connections on 127.0.0.1 and does with each what a test says: garbage, silence, a dribble.
//
// Threads: the script runs on the connection's own thread. Ownership: the destructor closes all and joins.
#ifndef RAGTIME_TESTS_TESTING_SCRIPTED_TCP_SERVER_H_
#define RAGTIME_TESTS_TESTING_SCRIPTED_TCP_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace ragtime {

class ScriptedTcpServer {
 public:
  class Peer {
   public:
    Peer(int socket, const std::atomic<bool>& stopping) : socket_(socket), stopping_(stopping) {}
    // False: the client has gone, or the server is to end.
    bool Send(std::string_view bytes) {
      return !stopping_ && ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
    }
    // Waits for some bytes and drops them.
    bool Receive() {
      char bytes[4096];
      struct pollfd waited{.fd = socket_, .events = POLLIN};
      while (!stopping_) {
        if (::poll(&waited, 1, 20) > 0) return ::recv(socket_, bytes, sizeof(bytes), 0) > 0;
      }
      return false;
    }

   private:
    const int socket_;
    const std::atomic<bool>& stopping_;
  };

  explicit ScriptedTcpServer(std::function<void(Peer&)> script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 64);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ScriptedTcpServer(const ScriptedTcpServer&) = delete;
  ScriptedTcpServer& operator=(const ScriptedTcpServer&) = delete;
  ~ScriptedTcpServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  int port() const { return port_; }

 private:
  void Accept() {
    struct pollfd waited{.fd = listener_, .events = POLLIN};
    while (!stopping_) {
      if (::poll(&waited, 1, 20) <= 0) continue;
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      threads_.emplace_back([this, socket] {
        Peer peer(socket, stopping_);
        script_(peer);
        ::close(socket);
      });
    }
  }

  const std::function<void(Peer&)> script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::vector<std::thread> threads_;  // Of the acceptor's thread until it is joined.
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_SCRIPTED_TCP_SERVER_H_
