// SPDX-License-Identifier: Apache-2.0
#include "cache/server_address.h"

#include <charconv>
#include <optional>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr int kRedisPort = 6379;
constexpr int kMemcachedPort = 11211;

Status WrongUri(std::string_view what) {
  return InvalidArgumentError(StrCat("cache.uri has ", what),
                              "write redis://host:6379/0, rediss://user:password@host, unix:///path/of/socket or "
                              "memcached://host:11211; characters like @ and / in a password as %40 and %2F");
}

// "%40" -> "@"; none where two hex digits are missing.
std::optional<std::string> Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const start = text.data() + i + 1;
    if (std::from_chars(start, start + 2, byte, 16).ptr != start + 2) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

bool ParseNumber(std::string_view text, int least, int most, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= least && number <= most;
}

Status ParseDb(std::string_view text, ServerAddress& address) {
  if (text.empty() || ParseNumber(text, 0, 65535, address.db)) return Status();
  return WrongUri("a database that is no number");
}

Status ParseUser(std::string_view text, ServerAddress& address) {
  const size_t colon = text.find(':');
  const auto user = Decode(text.substr(0, colon));
  const auto password = Decode(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || !password) return WrongUri("a user or password with a % that no two hex digits follow");
  address.user = *user;
  address.password = *password;
  return Status();
}

}  // namespace

std::string ServerAddress::ToString() const {
  if (!path.empty()) return path;
  return host.find(':') == std::string::npos ? StrCat(host, ":", port) : StrCat("[", host, "]:", port);
}

Result<ServerAddress> ParseServerAddress(std::string_view uri) {
  ServerAddress address;
  const size_t scheme_end = uri.find("://");
  if (uri.empty() || scheme_end == std::string_view::npos) return WrongUri("no scheme like redis://");
  address.scheme = uri.substr(0, scheme_end);
  std::string_view rest = uri.substr(scheme_end + 3);
  if (address.scheme == "unix") {
    const size_t query = rest.find('?');
    const std::string_view options = query == std::string_view::npos ? std::string_view() : rest.substr(query + 1);
    address.path = rest.substr(0, query);
    if (address.path.empty() || address.path[0] != '/') return WrongUri("no absolute path of a socket");
    if (!options.empty() && !options.starts_with("db=")) return WrongUri("an option that is not db");
    RAGTIME_RETURN_IF_ERROR(ParseDb(options.empty() ? options : options.substr(3), address));
    return address;
  }
  if (address.scheme != "redis" && address.scheme != "rediss" && address.scheme != "memcached") {
    return WrongUri(StrCat("the scheme ", address.scheme));
  }
  address.port = address.scheme == "memcached" ? kMemcachedPort : kRedisPort;
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    RAGTIME_RETURN_IF_ERROR(ParseDb(rest.substr(slash + 1), address));
    rest = rest.substr(0, slash);
  }
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    RAGTIME_RETURN_IF_ERROR(ParseUser(rest.substr(0, at), address));
    rest = rest.substr(at + 1);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return WrongUri("an IPv6 address without its ]");
    address.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const size_t colon = rest.find(':');
    address.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
  }
  if (address.host.empty()) return WrongUri("no host");
  if (!port.empty() && (port[0] != ':' || !ParseNumber(port.substr(1), 1, 65535, address.port))) {
    return WrongUri("a port that is no number from 1 to 65535");
  }
  return address;
}

}  // namespace ragtime
