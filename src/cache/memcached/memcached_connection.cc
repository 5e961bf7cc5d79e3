// SPDX-License-Identifier: Apache-2.0
#include "cache/memcached/memcached_connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/str_cat.h"

namespace ragtime {
namespace {

using TimePoint = MemcachedConnection::TimePoint;

constexpr size_t kLineBytesMax = 2048;
constexpr size_t kValueBytesMax = size_t{2} << 20;
constexpr size_t kReadBytes = size_t{64} << 10;

int MillisecondsLeft(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
}

Status Unreachable(std::string_view name, std::string_view why) {
  return UnavailableError(StrCat("the cache ", name, " cannot be reached: ", why),
                          "start it, check cache.uri, or set cache: {type: memory}");
}

// A connected socket that does not block, or the reason in `why`.
int Connect(const sockaddr* address, socklen_t size, int family, TimePoint deadline, std::string& why) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    why = std::strerror(errno);
    return -1;
  }
  int error = ::connect(socket, address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    struct pollfd waited{.fd = socket, .events = POLLOUT};
    socklen_t error_size = sizeof(error);
    if (::poll(&waited, 1, MillisecondsLeft(deadline)) <= 0) {
      error = ETIMEDOUT;
    } else {
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
  }
  if (error == 0) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return socket;
  }
  why = std::strerror(error);
  ::close(socket);
  return -1;
}

// "VALUE key flags bytes" -> key and bytes.
bool ParseValueLine(std::string_view line, std::string& key, size_t& size_bytes) {
  if (!line.starts_with("VALUE ")) return false;
  line.remove_prefix(6);
  const size_t key_end = line.find(' ');
  const size_t flags_end = key_end == std::string_view::npos ? key_end : line.find(' ', key_end + 1);
  if (flags_end == std::string_view::npos) return false;
  key = line.substr(0, key_end);
  const char* const start = line.data() + flags_end + 1;
  const char* const end = line.data() + line.size();
  const auto [stopped, error] = std::from_chars(start, end, size_bytes);
  return error == std::errc() && stopped == end && size_bytes <= kValueBytesMax;
}

}  // namespace

Result<std::unique_ptr<MemcachedConnection>> MemcachedConnection::Open(const ServerAddress& address,
                                                                       std::string_view name, TimePoint deadline) {
  std::string why = "it has no address";
  int socket = -1;
  if (!address.path.empty()) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof(local.sun_path)) return Unreachable(name, "the path of its socket is too long");
    std::memcpy(local.sun_path, address.path.data(), address.path.size());
    socket = Connect(reinterpret_cast<const sockaddr*>(&local), sizeof(local), AF_UNIX, deadline, why);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(address.host.c_str(), StrCat(address.port).c_str(), &hints, &found);
    if (code != 0) return Unreachable(name, ::gai_strerror(code));
    for (const addrinfo* at = found; at != nullptr && socket < 0; at = at->ai_next) {
      socket = Connect(at->ai_addr, at->ai_addrlen, at->ai_family, deadline, why);
    }
    ::freeaddrinfo(found);
  }
  if (socket < 0) return Unreachable(name, why);
  auto connection = std::make_unique<MemcachedConnection>(socket, name);
  connection->SetDeadline(deadline);
  return connection;
}

MemcachedConnection::~MemcachedConnection() { ::close(socket_); }

Status MemcachedConnection::TooLate() const {
  return DeadlineExceededError(StrCat("the cache ", name_, " did not answer in time"),
                               "raise cache: {timeout_ms: ...}, or look at the server's load");
}

Status MemcachedConnection::BrokeOff(std::string_view how) {
  closed_ = !answered_;
  return UnavailableError(StrCat("the cache ", name_, " broke off: ", how), "look at the server's log");
}

Status MemcachedConnection::Garbage(std::string_view line) const {
  std::string shown(line.substr(0, 60));
  std::replace_if(shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return UnavailableError(StrCat("the cache ", name_, " does not speak Memcached's text protocol: ", shown),
                          "check cache.uri: another server may listen there, or one that wants a password");
}

Status MemcachedConnection::Wait(short events) {
  const int left = MillisecondsLeft(deadline_);
  struct pollfd waited{.fd = socket_, .events = events};
  if (left == 0 || ::poll(&waited, 1, left) == 0) return TooLate();
  return Status();
}

Status MemcachedConnection::Send(std::string_view bytes) {
  answered_ = false;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      RAGTIME_RETURN_IF_ERROR(Wait(POLLOUT));
    } else if (errno != EINTR) {
      return BrokeOff(std::strerror(errno));
    }
  }
  return Status();
}

Status MemcachedConnection::Fill(size_t size) {
  while (received_.size() < size) {
    RAGTIME_RETURN_IF_ERROR(Wait(POLLIN));
    const size_t before = received_.size();
    const size_t room = std::max(kReadBytes, size - before);
    received_.resize(before + room);
    const ssize_t got = ::recv(socket_, received_.data() + before, room, 0);
    const int error = errno;
    received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) answered_ = true;
    if (got == 0) return BrokeOff("it closed the connection");
    if (got < 0 && error != EAGAIN && error != EINTR) return BrokeOff(std::strerror(error));
  }
  return Status();
}

Result<std::string> MemcachedConnection::ReadLine() {
  for (;;) {
    if (const size_t end = received_.find("\r\n"); end != std::string::npos && end <= kLineBytesMax) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 2);
      return line;
    }
    if (received_.size() > kLineBytesMax) return Garbage(received_);
    RAGTIME_RETURN_IF_ERROR(Fill(received_.size() + 1));
  }
}

Result<std::vector<bool>> MemcachedConnection::Store(const std::vector<Set>& sets) {
  std::string request;
  for (const Set& set : sets) {
    request += StrCat("set ", set.key, " 0 ", set.expiration, " ", set.value.size(), "\r\n");
    request.append(set.value).append("\r\n");
  }
  RAGTIME_RETURN_IF_ERROR(Send(request));
  std::vector<bool> stored;
  for (size_t i = 0; i < sets.size(); ++i) {
    RAGTIME_ASSIGN_OR_RETURN(const std::string line, ReadLine());
    if (line != "STORED" && !line.starts_with("SERVER_ERROR")) return Garbage(line);
    stored.push_back(line == "STORED");
  }
  return stored;
}

Result<std::map<std::string, std::string>> MemcachedConnection::Read(const std::vector<std::string>& keys) {
  std::map<std::string, std::string> found;
  // The server takes lines of some length only.
  constexpr size_t kKeysOfALine = 100;
  for (size_t start = 0; start < keys.size(); start += kKeysOfALine) {
    std::string request = "get";
    for (size_t i = start; i < std::min(keys.size(), start + kKeysOfALine); ++i) request += " " + keys[i];
    RAGTIME_RETURN_IF_ERROR(Send(request + "\r\n"));
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(const std::string line, ReadLine());
      if (line == "END") break;
      std::string key;
      size_t size_bytes = 0;
      if (!ParseValueLine(line, key, size_bytes)) return Garbage(line);
      RAGTIME_RETURN_IF_ERROR(Fill(size_bytes + 2));
      if (std::string_view(received_).substr(size_bytes, 2) != "\r\n") return Garbage("a value without an end");
      found[key] = received_.substr(0, size_bytes);
      received_.erase(0, size_bytes + 2);
    }
  }
  return found;
}

Status MemcachedConnection::Delete(const std::string& key) {
  RAGTIME_RETURN_IF_ERROR(Send(StrCat("delete ", key, "\r\n")));
  RAGTIME_ASSIGN_OR_RETURN(const std::string line, ReadLine());
  return line == "DELETED" || line == "NOT_FOUND" ? Status() : Garbage(line);
}

Status MemcachedConnection::Version() {
  RAGTIME_RETURN_IF_ERROR(Send("version\r\n"));
  RAGTIME_ASSIGN_OR_RETURN(const std::string line, ReadLine());
  return line.starts_with("VERSION ") ? Status() : Garbage(line);
}

}  // namespace ragtime
