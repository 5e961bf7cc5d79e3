// SPDX-License-Identifier: Apache-2.0
#include "testing/scripted_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// A test cannot go on without its server: no socket at all is worth an abort that says so.
int Listen(int& port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, 64) != 0 || getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("scripted_http_server: cannot listen on 127.0.0.1");
    std::abort();
  }
  port = ntohs(address.sin_port);
  return listener;
}

std::string Lowercase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace

bool ScriptedHttpServer::Reply::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      close_ = true;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void ScriptedHttpServer::Reply::SendAnswer(int code, std::string_view body, std::string_view content_type,
                                           std::string_view more_headers) {
  Send(StrCat("HTTP/1.1 ", code, " Scripted\r\nContent-Type: ", content_type, "\r\nContent-Length: ", body.size(),
              "\r\n", more_headers, "\r\n", body));
}

void ScriptedHttpServer::Reply::StartEventStream() {
  Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

bool ScriptedHttpServer::Reply::SendChunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return Send(StrCat(size, bytes, "\r\n"));
}

bool ScriptedHttpServer::Reply::SendEvent(std::string_view data) { return SendChunk(StrCat("data: ", data, "\n\n")); }

void ScriptedHttpServer::Reply::EndStream() { Send("0\r\n\r\n"); }

void ScriptedHttpServer::Reply::Sleep(int64_t duration_ms) {
  std::unique_lock lock(server_.mutex_);
  server_.stopped_.wait_for(lock, std::chrono::milliseconds(duration_ms), [this] { return server_.stopping_; });
}

void ScriptedHttpServer::Reply::WaitForClientToLeave() {
  char byte;
  while (recv(socket_, &byte, 1, 0) > 0) {
  }
  close_ = true;
}

void ScriptedHttpServer::Reply::Close(bool reset) {
  if (reset) {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  close_ = true;
}

ScriptedHttpServer::ScriptedHttpServer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
  listener_ = Listen(port_);
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedHttpServer::ScriptedHttpServer(Script script) : ScriptedHttpServer(std::vector<Script>{std::move(script)}) {}

ScriptedHttpServer::~ScriptedHttpServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int open : sockets_) {
      if (open >= 0) shutdown(open, SHUT_RDWR);
    }
  }
  stopped_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  for (std::thread& thread : threads_) thread.join();
}

std::string ScriptedHttpServer::url(std::string_view path) const { return StrCat("http://127.0.0.1:", port_, path); }

std::vector<ScriptedHttpServer::Request> ScriptedHttpServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

size_t ScriptedHttpServer::connections() const {
  std::lock_guard lock(mutex_);
  return sockets_.size();
}

int ScriptedHttpServer::UnusedPort() {
  int port = 0;
  close(Listen(port));
  return port;
}

void ScriptedHttpServer::Accept() {
  while (true) {
    const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) return;
    const int on = 1;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::lock_guard lock(mutex_);
    if (stopping_) {
      close(accepted);
      return;
    }
    sockets_.push_back(accepted);
    threads_.emplace_back([this, accepted] { Serve(accepted); });
  }
}

void ScriptedHttpServer::Serve(int socket) {
  std::string buffer;
  Request request;
  while (ReadRequest(socket, buffer, request)) {
    size_t number;
    {
      std::lock_guard lock(mutex_);
      number = requests_.size();
      requests_.push_back(request);
    }
    Reply reply(*this, socket);
    scripts_[std::min(number, scripts_.size() - 1)](request, reply);
    if (reply.close_) break;
  }
  std::lock_guard lock(mutex_);
  *std::find(sockets_.begin(), sockets_.end(), socket) = -1;
  close(socket);
}

// Takes one request off the front of what the connection sends. False at its end.
bool ScriptedHttpServer::ReadRequest(int socket, std::string& buffer, Request& request) {
  const auto read_more = [&] {
    char bytes[4096];
    const ssize_t size = recv(socket, bytes, sizeof(bytes), 0);
    if (size > 0) buffer.append(bytes, static_cast<size_t>(size));
    return size > 0;
  };
  size_t head_end;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return false;
  }
  request = {};
  const std::string head = buffer.substr(0, head_end + 2);
  const size_t first_end = head.find("\r\n");
  const size_t space = head.find(' ');
  request.method = head.substr(0, space);
  request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  for (size_t start = first_end + 2; start < head.size();) {
    const size_t end = head.find("\r\n", start);
    const size_t colon = head.find(':', start);
    size_t value = colon + 1;
    while (value < end && head[value] == ' ') ++value;
    request.headers[Lowercase(head.substr(start, colon - start))] = head.substr(value, end - value);
    start = end + 2;
  }
  const size_t body_size = static_cast<size_t>(std::strtoull(request.headers["content-length"].c_str(), nullptr, 10));
  buffer.erase(0, head_end + 4);
  while (buffer.size() < body_size) {
    if (!read_more()) return false;
  }
  request.body = buffer.substr(0, body_size);
  buffer.erase(0, body_size);
  return true;
}

}  // namespace ragtime
