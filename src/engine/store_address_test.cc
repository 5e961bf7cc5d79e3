// SPDX-License-Identifier: Apache-2.0
//
// Goal: one word names a store, a slip is told, and what the configuration says stays with its own type.
#include "engine/store_address.h"

#include <gtest/gtest.h>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

TEST(StoreAddressTest, ATypeAndAUri) {
  const Config config = Value(ResolveStoreAddress("map:./a.ragmap", Config{}));
  EXPECT_EQ(config.store.type, "map");
  EXPECT_EQ(config.store.uri, "./a.ragmap");
  EXPECT_EQ(AddressOf(config.store), "map:./a.ragmap");
  EXPECT_EQ(Value(ResolveStoreAddress("./kb", Config{})).store.type, "ragtime");
  EXPECT_EQ(Value(ResolveStoreAddress("kb.ragmap", Config{})).store.type, "map");
  EXPECT_EQ(Value(ResolveStoreAddress("ragtime:/a:b", Config{})).store.uri, "/a:b");
}

TEST(StoreAddressTest, WhatTheConfigurationSaysStaysWithItsType) {
  Config base;
  base.store = {.type = "ragtime", .uri = "./other", .metric = Metric::kL2};
  base.catalog.uri = "mysql://h/d";
  EXPECT_EQ(Value(ResolveStoreAddress("ragtime:./kb", base)).store.metric, Metric::kL2);
  EXPECT_EQ(Value(ResolveStoreAddress("map:kb.ragmap", base)).store.metric, std::nullopt);
  EXPECT_EQ(Value(ResolveStoreAddress("ragtime:./kb", base)).catalog.uri, "mysql://h/d");
  EXPECT_EQ(Value(ResolveStoreAddress("map:kb.ragmap", base)).catalog.uri, "");
}

TEST(StoreAddressTest, SlipsAreTold) {
  for (const char* address : {"ragtime:", "", "postgres:x", "http://host", "map:./a"}) {
    const auto refused = ResolveStoreAddress(address, Config{});
    ASSERT_THAT(refused, StatusIs(StatusCode::kInvalidArgument)) << address;
    EXPECT_NE(refused.status().message().find(address), std::string::npos) << refused.status().ToString();
    EXPECT_FALSE(refused.status().remedy().empty()) << address;
  }
  EXPECT_THAT(ResolveStoreAddress("none.yaml", Config{}), StatusIs(StatusCode::kNotFound));
}

TEST(StoreAddressTest, NoPasswordIsShown) {
  EXPECT_EQ(AddressOf({.type = "chroma", .uri = "http://me:secret@host:8000/a@b"}), "chroma:http://host:8000/a@b");
  EXPECT_EQ(AddressOf({.type = "chroma", .uri = "http://host/a@b"}), "chroma:http://host/a@b");
}

}  // namespace
}  // namespace ragtime
