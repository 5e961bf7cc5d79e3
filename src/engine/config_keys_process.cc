// SPDX-License-Identifier: Apache-2.0
//
// The keys of the server, the cache and this process.
#include "engine/config_keys.h"

#include "engine/config_values.h"

namespace ragtime {
namespace {

Status SetSimilarCosine(Config& config, const std::string& value, const std::filesystem::path&) {
  double cosine = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), cosine);
  if (error != std::errc() || end != value.data() + value.size() || !(cosine >= 0.5 && cosine <= 1)) {
    return WrongValue("cache.similar_cosine", value, "a number from 0.5 to 1");
  }
  config.cache.similar_cosine = cosine;
  return Status();
}

void AddCacheKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back(
      {"cache.type", "RAGTIME_CACHE_TYPE", "none | memory | redis | memcached", "memory",
       "Where vectors, results, answers and conversations are kept to be given again. memory: in this "
       "process. A write makes what was kept before it unreachable.",
       Choice<string>("cache.type",
                      {{"none", "none"}, {"memory", "memory"}, {"redis", "redis"}, {"memcached", "memcached"}},
                      [](Config& c) -> string& { return c.cache.type; })});
  keys.push_back(
      {"cache.uri", "RAGTIME_CACHE_URI",
       "redis://[user:password@]host[:port][/db], rediss://... (TLS), unix:///socket, memcached://host[:port]", "none",
       "The server of type redis or memcached. While it is down it is bypassed, with a warning.",
       Text([](Config& c) -> string& { return c.cache.uri; })});
  keys.push_back({"cache.password_env", "RAGTIME_CACHE_PASSWORD_ENV", "the name of an environment variable",
                  "RAGTIME_CACHE_PASSWORD", "Where the password of a Redis is read from, unless the uri has one.",
                  Text([](Config& c) -> string& { return c.cache.password_env; })});
  keys.push_back({"cache.tls_ca", "RAGTIME_CACHE_TLS_CA", "a PEM file", "none",
                  "Who certifies the server of rediss://; none: whom the system trusts.",
                  File([](Config& c) -> string& { return c.cache.tls_ca; })});
  keys.push_back({"cache.tls_cert", "RAGTIME_CACHE_TLS_CERT", "a PEM file", "none",
                  "The certificate that this end shows, with cache.tls_key.",
                  File([](Config& c) -> string& { return c.cache.tls_cert; })});
  keys.push_back({"cache.tls_key", "RAGTIME_CACHE_TLS_KEY", "a PEM file", "none", "The key of cache.tls_cert.",
                  File([](Config& c) -> string& { return c.cache.tls_key; })});
  keys.push_back({"cache.ttl_s", "RAGTIME_CACHE_TTL_S", "seconds, 0 to 31536000", "86400",
                  "How long anything is kept at most. 0: without an end.",
                  Number<int64_t>("cache.ttl_s", 0, 31536000, [](Config& c) -> int64_t& { return c.cache.ttl_s; })});
  keys.push_back({"cache.capacity_bytes", "RAGTIME_CACHE_CAPACITY_BYTES", "bytes, 65536 to 1099511627776", "67108864",
                  "The memory that this process keeps entries in; what is asked for most stays. A server has its own.",
                  Number<size_t>("cache.capacity_bytes", 65536, 1099511627776,
                                 [](Config& c) -> size_t& { return c.cache.capacity_bytes; })});
  keys.push_back({"cache.two_level", "RAGTIME_CACHE_TWO_LEVEL", "true | false", "true",
                  "Whether what a server gave is kept in memory too.",
                  Switch("cache.two_level", [](Config& c) -> bool& { return c.cache.two_level; })});
  keys.push_back(
      {"cache.timeout_ms", "RAGTIME_CACHE_TIMEOUT_MS", "milliseconds, 1 to 60000", "50",
       "How long a server may take to connect or to answer before it is bypassed.",
       Number<int64_t>("cache.timeout_ms", 1, 60000, [](Config& c) -> int64_t& { return c.cache.timeout_ms; })});
  keys.push_back({"cache.similar_questions", "RAGTIME_CACHE_SIMILAR_QUESTIONS", "true | false", "false",
                  "Whether an answer is given again to a question that says the same in nearly the same words, where "
                  "recall finds the same passages. Such an answer names the question it was made for.",
                  Switch("cache.similar_questions", [](Config& c) -> bool& { return c.cache.similar_questions; })});
  keys.push_back({"cache.similar_cosine", "RAGTIME_CACHE_SIMILAR_COSINE", "a number, 0.5 to 1", "0.93",
                  "How near the vectors of two such questions must be.", SetSimilarCosine});
  keys.push_back({"cache.session_ttl_s", "RAGTIME_CACHE_SESSION_TTL_S", "seconds, 1 to 31536000", "86400",
                  "A conversation ends so long after its last turn.",
                  Number<int64_t>("cache.session_ttl_s", 1, 31536000,
                                  [](Config& c) -> int64_t& { return c.cache.session_ttl_s; })});
  keys.push_back(
      {"cache.session_turns", "RAGTIME_CACHE_SESSION_TURNS", "1 to 1000", "8",
       "How many turns of a conversation are kept, the last ones.",
       Number<size_t>("cache.session_turns", 1, 1000, [](Config& c) -> size_t& { return c.cache.session_turns; })});
  keys.push_back({"cache.session_bytes", "RAGTIME_CACHE_SESSION_BYTES", "bytes, 1024 to 1048576", "16384",
                  "And how many bytes of questions and answers.",
                  Number<size_t>("cache.session_bytes", 1024, 1048576,
                                 [](Config& c) -> size_t& { return c.cache.session_bytes; })});
}

}  // namespace

void AddProcessKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"server.port", "RAGTIME_SERVER_PORT", "0 to 65535", "8321",
                  "Where `ragtime serve` listens on 127.0.0.1; `--port`. 0: a port that the system chooses.",
                  Number<uint16_t>("server.port", 0, 65535, [](Config& c) -> uint16_t& { return c.server.port; })});
  keys.push_back(
      {"server.requests_max", "RAGTIME_SERVER_REQUESTS_MAX", "1 to 1024", "32",
       "Requests that are answered at once; one more gets 429 and Retry-After.",
       Number<size_t>("server.requests_max", 1, 1024, [](Config& c) -> size_t& { return c.server.requests_max; })});
  keys.push_back({"server.body_bytes_max", "RAGTIME_SERVER_BODY_BYTES_MAX", "bytes, 1024 to 67108864", "1048576",
                  "The longest body of a request; a longer one gets 413.",
                  Number<size_t>("server.body_bytes_max", 1024, 67108864,
                                 [](Config& c) -> size_t& { return c.server.body_bytes_max; })});
  keys.push_back(
      {"server.timeout_ms", "RAGTIME_SERVER_TIMEOUT_MS", "milliseconds, 100 to 86400000", "300000",
       "How long one request may take.",
       Number<int64_t>("server.timeout_ms", 100, 86400000, [](Config& c) -> int64_t& { return c.server.timeout_ms; })});
  keys.push_back(
      {"server.drain_ms", "RAGTIME_SERVER_DRAIN_MS", "milliseconds, 0 to 3600000", "30000",
       "How long requests under way may go on after SIGTERM or Ctrl-C.",
       Number<int64_t>("server.drain_ms", 0, 3600000, [](Config& c) -> int64_t& { return c.server.drain_ms; })});
  AddCacheKeys(keys);
  keys.push_back({"threads", "RAGTIME_THREADS", "0 to 1024", "0",
                  "Threads to compute with, of embedder, language model and ingestion together: beside answers, an "
                  "ingestion has those that are left. 0: one per core.",
                  Number<size_t>("threads", 0, 1024, [](Config& c) -> size_t& { return c.threads; })});
  keys.push_back(
      {"lock_timeout_ms", "RAGTIME_LOCK_TIMEOUT_MS", "milliseconds, 0 to 3600000", "5000",
       "How long a second writer waits for the first.",
       Number<int64_t>("lock_timeout_ms", 0, 3600000, [](Config& c) -> int64_t& { return c.lock_timeout_ms; })});
  keys.push_back({"models_path", "RAGTIME_MODELS", "a folder", "found beside the binary",
                  "Where models lie, a folder each.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.models_path = Resolve(v, base);
                    return Status();
                  }});
}

}  // namespace ragtime
