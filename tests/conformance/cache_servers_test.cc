// SPDX-License-Identifier: Apache-2.0
//
// Goal: Redis and Memcached hold the contract of a cache, and whatever their servers do, a guarded call is bounded and
// never fails. Method: real servers that the test starts, stops, stalls and kills; a scripted one for what no real
// server would say.
#include <gtest/gtest.h>

#include "base/child_process.h"
#include "cache/guard.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "cache/two_level_cache.h"
#include "testing/cache_contract.h"
#include "testing/cache_servers.h"
#include "testing/scripted_tcp_server.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPatientMs = 20000;  // For a machine under load: what is tested with it is not the time.

std::shared_ptr<Cache> Redis(const std::string& uri, int64_t timeout_ms = kPatientMs, RedisOptions options = {}) {
  options.address = Value(ParseServerAddress(uri));
  options.timeout_ms = timeout_ms;
  return std::shared_ptr<Cache>(Value(RedisCache::Make(options)));
}

std::shared_ptr<Cache> Memcached(const std::string& uri, int64_t timeout_ms = kPatientMs) {
  return std::make_shared<MemcachedCache>(
      MemcachedOptions{.address = Value(ParseServerAddress(uri)), .timeout_ms = timeout_ms});
}

struct OnRedis : CacheUnderTest {
  RedisServer server;
  OnRedis() { cache = Redis(server.uri()); }
};

struct OnRedisSocket : CacheUnderTest {
  TemporaryFolder folder;
  RedisServer server{{"--unixsocket", (folder.path() / "redis.sock").string()}};
  OnRedisSocket() { cache = Redis("unix://" + (folder.path() / "redis.sock").string() + "?db=3"); }
};

// TLS in both directions, a user with a password full of what a URI has a meaning for, and a database.
struct OnRedisTls : CacheUnderTest {
  TestCertificates certificates;
  RedisServer server{{"--tls-cert-file", certificates.File("server.pem"), "--tls-key-file",
                      certificates.File("server.key"), "--tls-ca-cert-file", certificates.File("ca.pem"),
                      "--tls-auth-clients", "yes", "--user", "default", "off", "--user", "app", "on", ">p@ss/w:rd%",
                      "~*", "+@all"}};
  OnRedisTls() {
    cache = Redis(StrCat("rediss://app:p%40ss%2Fw%3Ard%25@127.0.0.1:", server.port(), "/2"), kPatientMs,
                  {.ca_file = certificates.File("ca.pem"),
                   .certificate_file = certificates.File("client.pem"),
                   .key_file = certificates.File("client.key")});
  }
};

struct OnMemcached : CacheUnderTest {
  MemcachedServer server;
  OnMemcached() { cache = Memcached(server.uri()); }
};

struct OnMemoryAndRedis : CacheUnderTest {
  RedisServer server;
  OnMemoryAndRedis() {
    cache = std::make_shared<TwoLevelCache>(
        std::make_shared<MemoryCache>(MemoryCacheOptions{.capacity_bytes = size_t{256} << 20}),
        std::make_shared<Guard>(Redis(server.uri())));
  }
};

template <typename Backend>
CacheKind Kind(std::string name) {
  return {std::move(name), []() -> std::unique_ptr<CacheUnderTest> {
            try {
              return std::make_unique<Backend>();
            } catch (const std::exception& error) {
              auto failed = std::make_unique<CacheUnderTest>();
              failed->problem = error.what();
              return failed;
            }
          }};
}

INSTANTIATE_TEST_SUITE_P(Servers, CacheContract,
                         testing::Values(Kind<OnRedis>("Redis"), Kind<OnRedisSocket>("RedisSocket"),
                                         Kind<OnRedisTls>("RedisTls"), Kind<OnMemcached>("Memcached"),
                                         Kind<OnMemoryAndRedis>("MemoryAndRedis")),
                         [](const auto& tested) { return tested.param.name; });

// ---- Who may connect.

TEST(RedisAccess, WithoutThePasswordTheErrorNamesTheServerAndTheRemedy) {
  RedisServer server({"--requirepass", "secret"});
  const Status refused = Redis(server.uri())->Put({}, "key", "value", 0);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), testing::HasSubstr(StrCat("redis 127.0.0.1:", server.port())));
  EXPECT_THAT(refused.message(), testing::HasSubstr("NOAUTH"));
  const Status wrong = Redis(StrCat("redis://:wrong@127.0.0.1:", server.port()))->Put({}, "key", "value", 0);
  EXPECT_THAT(wrong, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(wrong.ToString(), testing::Not(testing::HasSubstr("wrong@")));
  EXPECT_THAT(wrong.remedy(), testing::HasSubstr("password"));
  EXPECT_OK(Redis(StrCat("redis://:secret@127.0.0.1:", server.port()))->Put({}, "key", "value", 0));
}

TEST(RedisAccess, ACertificateOfAnotherAuthorityOrHostIsRefused) {
  const TestCertificates certificates;
  auto server_with = [&certificates](const std::string& name) {
    return std::vector<std::string>{
        "--tls-cert-file",    certificates.File(name + ".pem"), "--tls-key-file",     certificates.File(name + ".key"),
        "--tls-ca-cert-file", certificates.File("ca.pem"),      "--tls-auth-clients", "no"};
  };
  auto put = [&certificates](const RedisServer& server, const std::string& ca) {
    return Redis(StrCat("rediss://127.0.0.1:", server.port()), kPatientMs, {.ca_file = certificates.File(ca)})
        ->Put({}, "key", "value", 0);
  };
  RedisServer right(server_with("server"));
  EXPECT_OK(put(right, "ca.pem"));
  EXPECT_THAT(put(right, "other.pem"), StatusIs(StatusCode::kUnavailable));
  RedisServer elsewhere(server_with("elsewhere"));
  const Status status = put(elsewhere, "ca.pem");
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(status.message(), testing::HasSubstr("TLS"));
  RedisOptions options{.address = Value(ParseServerAddress("rediss://127.0.0.1")), .ca_file = "/no/such.pem"};
  EXPECT_THAT(RedisCache::Make(options), StatusIs(StatusCode::kInvalidArgument));
}

TEST(RedisAccess, AFullServerRefusesAndTheGuardPassesOver) {
  RedisServer server({"--maxmemory", "1mb", "--maxmemory-policy", "noeviction"});
  auto redis = Redis(server.uri());
  EXPECT_THAT(redis->Put({}, "key", std::string(5000000, 'x'), 0).message(), testing::HasSubstr("OOM"));
  Guard guard(redis);
  EXPECT_OK(guard.Put({}, "key", std::string(5000000, 'x'), 0));
}

TEST(MemcachedLimits, TimesOfMoreThanThirtyDaysAreTimesOfDay) {
  constexpr int64_t kMonth = 30 * 24 * 3600;
  EXPECT_EQ(MemcachedCache::ExpirationOf(0, 1700000000), 0);
  EXPECT_EQ(MemcachedCache::ExpirationOf(kMonth, 1700000000), kMonth);
  EXPECT_EQ(MemcachedCache::ExpirationOf(kMonth + 1, 1700000000), 1700000000 + kMonth + 1);
  EXPECT_EQ(MemcachedCache::ExpirationOf(int64_t{1} << 60, 1700000000), 0);
}

TEST(MemcachedLimits, AServerOfSmallItemsRefusesLargeValues) {
  MemcachedServer server({"-I", "512k"});
  auto memcached = Memcached(server.uri());
  EXPECT_OK(memcached->Put({}, "key", "small", 0));
  EXPECT_THAT(memcached->Put({}, "key", std::string(3000000, 'x'), 0), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(Value(memcached->Get({}, "key")), std::nullopt);
  EXPECT_OK(memcached->Put({}, "key", "small", 0));
  EXPECT_EQ(Value(memcached->Get({}, "key")), "small");
}

TEST(MemcachedLimits, AValueOfWhichAPartIsGoneIsAMiss) {
  // Room for little, so that parts are evicted while others stay.
  MemcachedServer server({"-m", "8", "-o", "no_lru_crawler"});
  auto memcached = Memcached(server.uri());
  Random random(5);
  const std::string value = RandomBytes(random, 3000000);
  int there = 0;
  for (int i = 0; i < 40; ++i) ASSERT_OK(memcached->Put({}, StrCat("key ", i), value + StrCat(i), 0));
  for (int i = 0; i < 40; ++i) {
    const auto got = Value(memcached->Get({}, StrCat("key ", i)));
    there += got ? 1 : 0;
    EXPECT_TRUE(!got || *got == value + StrCat(i));
  }
  EXPECT_LT(there, 10);
}

// ---- What goes wrong.

enum class Server { kRedis, kMemcached };

class CacheFaults : public testing::TestWithParam<Server> {
 protected:
  bool redis() const { return GetParam() == Server::kRedis; }
  std::string Uri(int port) const { return StrCat(redis() ? "redis" : "memcached", "://127.0.0.1:", port); }
  std::shared_ptr<Cache> Connect(int port, int64_t timeout_ms) const {
    return redis() ? Redis(Uri(port), timeout_ms) : Memcached(Uri(port), timeout_ms);
  }
  // Starts one, the first time on a free port, then on the same.
  void Start() {
    if (redis()) {
      redis_ = std::make_unique<RedisServer>(std::vector<std::string>{}, port_);
      port_ = redis_->port();
    } else {
      memcached_ = std::make_unique<MemcachedServer>(std::vector<std::string>{}, port_);
      port_ = memcached_->port();
    }
  }
  ServerProcess& process() { return redis() ? redis_->process() : memcached_->process(); }
  int port_ = 0;

 private:
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<MemcachedServer> memcached_;
};

double SecondsOf(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool ComesBack(Guard& guard) {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!guard.condition().ok() && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return guard.condition().ok();
}

TEST_P(CacheFaults, AServerThatDiesIsBypassedAndComesBackEmpty) {
  Start();
  Guard guard(Connect(port_, 2000), {.probe_after_ms = 20, .probe_after_max_ms = 100});
  ASSERT_OK(guard.Put({}, "key", "value", 0));
  EXPECT_EQ(Value(guard.Get({}, "key")), "value");
  process().Kill();
  EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt);
  EXPECT_OK(guard.Put({}, "key", "other", 0));
  EXPECT_THAT(guard.condition().message(), testing::HasSubstr(StrCat("127.0.0.1:", port_)));
  EXPECT_FALSE(guard.condition().remedy().empty());
  EXPECT_LT(SecondsOf([&] {
              for (int i = 0; i < 1000; ++i) EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt);
            }),
            2.0);
  Start();
  ASSERT_TRUE(ComesBack(guard));
  EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt);
  ASSERT_OK(guard.Put({}, "key", "new", 0));
  EXPECT_EQ(Value(guard.Get({}, "key")), "new");
}

TEST_P(CacheFaults, AServerThatWasRestartedMeanwhileIsNoFailure) {
  Start();
  const auto cache = Connect(port_, kPatientMs);
  ASSERT_OK(cache->Put({}, "key", "value", 0));
  process().Kill();
  Start();
  EXPECT_EQ(Value(cache->Get({}, "key")), std::nullopt);
  EXPECT_OK(cache->Put({}, "key", "value", 0));
}

TEST_P(CacheFaults, AServerThatStallsCostsItsTimeOnce) {
  Start();
  Guard guard(Connect(port_, 50), {.probe_after_ms = 20, .probe_after_max_ms = 100});
  while (guard.Put({}, "key", "value", 0).ok() && Value(guard.Get({}, "key")) != "value") ComesBack(guard);
  process().Stall();
  EXPECT_LT(SecondsOf([&] { EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt); }), 5.0);
  EXPECT_FALSE(guard.condition().ok());
  EXPECT_LT(SecondsOf([&] {
              for (int i = 0; i < 1000; ++i) EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt);
            }),
            2.0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(guard.condition().ok());
  process().Continue();
  // One answer that takes 50 ms on a busy machine is a miss again.
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (Value(guard.Get({}, "key")) != "value" && Clock::now() < end) ASSERT_TRUE(ComesBack(guard));
  EXPECT_LT(Clock::now(), end);
}

TEST_P(CacheFaults, NobodyListensAtAll) {
  const int port = Value(FreePort());
  const auto cache = Connect(port, kPatientMs);
  const Status status = cache->Put({}, "key", "value", 0);
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(status.message(), testing::HasSubstr(StrCat("127.0.0.1:", port)));
  EXPECT_FALSE(cache->Get({}, "key").ok());
  EXPECT_FALSE(cache->Probe({}).ok());
}

TEST_P(CacheFaults, GarbageSilenceAndDribblesAreErrorsInTime) {
  const std::string bulk = redis() ? "$100000000\r\n" : "VALUE rt1-00 0 100000000\r\n";
  const std::vector<std::pair<std::string, std::function<void(ScriptedTcpServer::Peer&)>>> scripts = {
      {"closes at once", [](ScriptedTcpServer::Peer&) {}},
      {"closes after the command", [](ScriptedTcpServer::Peer& peer) { peer.Receive(); }},
      {"is silent",
       [](ScriptedTcpServer::Peer& peer) {
         while (peer.Receive()) {
         }
       }},
      {"speaks HTTP",
       [](ScriptedTcpServer::Peer& peer) {
         while (peer.Receive() && peer.Send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) {
         }
       }},
      {"speaks nonsense",
       [](ScriptedTcpServer::Peer& peer) {
         while (peer.Receive() && peer.Send(AllBytes() + "\r\n\xff\xfe\r\n")) {
         }
       }},
      {"stops in the middle",
       [&bulk](ScriptedTcpServer::Peer& peer) {
         if (peer.Receive() && peer.Send(bulk + "abc")) peer.Receive();
       }},
      {"dribbles for ever",
       [&bulk](ScriptedTcpServer::Peer& peer) {
         peer.Receive();
         for (peer.Send(bulk); peer.Send("x");) std::this_thread::sleep_for(std::chrono::milliseconds(5));
       }},
  };
  for (const auto& [what, script] : scripts) {
    SCOPED_TRACE(what);
    ScriptedTcpServer server(script);
    const auto cache = Connect(server.port(), 200);
    const double seconds = SecondsOf([&] {
      const auto value = cache->Get({}, "key");
      EXPECT_FALSE(value.ok());
      EXPECT_FALSE(cache->Put({}, "key", "value", 10).ok());
      EXPECT_FALSE(cache->GetMany({}, std::vector<std::string>{"a", "b", "c"}).ok());
      EXPECT_THAT(value.status().message(), testing::HasSubstr(StrCat("127.0.0.1:", server.port())));
    });
    EXPECT_LT(seconds, 10.0);
    Guard guard(cache);
    EXPECT_EQ(Value(guard.Get({}, "key")), std::nullopt);
    EXPECT_FALSE(guard.condition().ok());
  }
}

TEST_P(CacheFaults, TheRequestsOwnDeadlineComesFirst) {
  Start();
  const auto cache = Connect(port_, kPatientMs);
  const Context late{.deadline = Clock::now() - std::chrono::seconds(1)};
  EXPECT_THAT(cache->Get(late, "key"), StatusIs(StatusCode::kDeadlineExceeded));
  process().Stall();
  const Context soon{.deadline = Clock::now() + std::chrono::milliseconds(100)};
  EXPECT_LT(SecondsOf([&] { EXPECT_THAT(cache->Get(soon, "key"), StatusIs(StatusCode::kDeadlineExceeded)); }), 10.0);
  process().Continue();
}

INSTANTIATE_TEST_SUITE_P(Servers, CacheFaults, testing::Values(Server::kRedis, Server::kMemcached),
                         [](const auto& tested) { return tested.param == Server::kRedis ? "Redis" : "Memcached"; });

}  // namespace
}  // namespace ragtime
