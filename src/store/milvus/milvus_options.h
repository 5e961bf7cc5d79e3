// SPDX-License-Identifier: Apache-2.0
//
// MilvusOptions say which Milvus server is meant and how it is spoken to.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_OPTIONS_H_
#define RAGTIME_STORE_MILVUS_MILVUS_OPTIONS_H_

#include <cstdint>
#include <string>

#include "wire/retry.h"

namespace ragtime {

struct MilvusOptions {
  // A path (Milvus Lite, in a process of ours);
  // http://host:port, tcp://host:port or host:port (Standalone, Distributed); https://host[:port] (with TLS, Zilliz).
  std::string uri;
  std::string lite_program = "milvus-lite";  // What a path is served by.
  std::string db_name;                       // "": the server's default database.
  std::string user;                          // With `password`; or else
  std::string password;
  std::string token;  // "user:password", or an API key.
  // Of TLS, which https turns on: files in PEM. "": the system's authorities, no client certificate, the host's name.
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string server_name;
  // Strong | Bounded | Session | Eventually. With another than Strong a commit may not be seen at once.
  std::string consistency_level = "Strong";
  int64_t timeout_ms = 60000;  // Of one attempt, within the context's deadline.
  RetryPolicy retry;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_OPTIONS_H_
