// SPDX-License-Identifier: Apache-2.0
//
// ServerAddress is where the server of a cache listens, read from its URI.
//
//   redis://[[user]:password@]host[:port][/db]    rediss:// for TLS    unix:///path/of/socket[?db=2]
//   memcached://host[:port]
//
// Errors: kInvalidArgument with the forms that are taken, and never with a password.
#ifndef RAGTIME_CACHE_SERVER_ADDRESS_H_
#define RAGTIME_CACHE_SERVER_ADDRESS_H_

#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

struct ServerAddress {
  std::string scheme;  // "redis", "rediss", "unix", "memcached"
  std::string user;
  std::string password;
  std::string host;  // Without the brackets of IPv6.
  int port = 0;      // Of the URI, else the scheme's own.
  std::string path;  // Of scheme unix.
  int db = 0;

  // "127.0.0.1:6379", "[::1]:6379", "/run/redis.sock": for messages.
  std::string ToString() const;
};

Result<ServerAddress> ParseServerAddress(std::string_view uri);

}  // namespace ragtime

#endif  // RAGTIME_CACHE_SERVER_ADDRESS_H_
