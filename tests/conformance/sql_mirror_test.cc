// SPDX-License-Identifier: Apache-2.0
//
// Goal: catalog.uri in the configuration makes a mirror in a real PostgreSQL or MariaDB, which goes away in between.
#include <gtest/gtest.h>

#include <cstdlib>

#include "catalog/sql/sql_catalog.h"
#include "engine/builtin.h"
#include "store/mirrored_store.h"
#include "testing/mirror_testing.h"
#include "testing/sql_servers.h"

namespace ragtime {
namespace {

class SqlMirrorTest : public testing::TestWithParam<std::string> {};

TEST_P(SqlMirrorTest, TheConfigurationMakesAMirrorThatCatchesUp) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  Random random(seed);
  const auto server = GetParam() == "Postgresql" ? SqlServer::StartPostgresql() : SqlServer::StartMariadb();
  ASSERT_NE(server, nullptr);
  const TemporaryFolder folder;
  Config config;
  config.store.uri = (folder.path() / "kb").string();
  config.catalog.uri = server->uri();
  const auto without = config.catalog.uri.find(':', config.catalog.uri.find("ragtime"));
  config.catalog.uri.erase(without, config.catalog.uri.find('@') - without);
  config.catalog.password_env = "RAGTIME_TEST_PASSWORD";
  ::setenv("RAGTIME_TEST_PASSWORD", SqlServer::kPassword, 1);
  const auto store = Value(MakeStore(config, /*create=*/true));
  const auto write = [&](int commits) {
    ASSERT_OK(store->BeginWrite(0));
    CommitRandom(*store, random, commits);
    store->EndWrite();
  };
  write(10);
  const auto uuid = Value(store->Setting("uuid")).value();
  const auto catalog = Value(SqlCatalog::Open({}, server->uri(), uuid));
  ExpectMirrored(*store, Value(catalog->ReadAll({})));
  server->Kill();
  write(3);
  EXPECT_THAT(dynamic_cast<MirroredStore&>(*store).MirrorStatus(), StatusIs(StatusCode::kUnavailable));
  ASSERT_TRUE(server->Start());
  write(0);
  EXPECT_OK(dynamic_cast<MirroredStore&>(*store).MirrorStatus());
  ExpectMirrored(*store, Value(catalog->ReadAll({})));
  config.catalog.uri = "sqlite:x";
  EXPECT_THAT(MakeStore(config, false), StatusIs(StatusCode::kInvalidArgument));
}

INSTANTIATE_TEST_SUITE_P(Servers, SqlMirrorTest, testing::Values("Postgresql", "Mariadb"),
                         [](const auto& server) { return server.param; });

}  // namespace
}  // namespace ragtime
