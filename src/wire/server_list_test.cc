// SPDX-License-Identifier: Apache-2.0
//
// Goal: servers are tried in the order written, a failed one costs nobody anything while it rests, and one request
// alone finds out whether it is back.
#include "wire/server_list.h"

#include <gtest/gtest.h>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

using Order = std::vector<size_t>;

TEST(ServerList, PassesOverWhatFailedAndTriesItByOneRequest) {
  ServerList servers({"http://a", "http://b", "http://c"});
  const ServerList::Clock::time_point start;
  const auto at = [&](int64_t ms) { return start + std::chrono::milliseconds(ms); };
  EXPECT_EQ(servers.Order(at(0)), (Order{0, 1, 2}));
  EXPECT_TRUE(servers.IsUnproven(0));
  servers.Answered(1);
  EXPECT_FALSE(servers.IsUnproven(1));

  servers.Failed(0, std::nullopt, at(0));
  EXPECT_EQ(servers.Order(at(ServerList::kRestMs - 1)), (Order{1, 2, 0}));
  // The rest is over: one request gets it first, those beside it do not.
  EXPECT_EQ(servers.Order(at(ServerList::kRestMs)), (Order{0, 1, 2}));
  EXPECT_EQ(servers.Order(at(ServerList::kRestMs + 1)), (Order{1, 2, 0}));
  EXPECT_TRUE(servers.IsUnproven(0));
  servers.Answered(0);
  EXPECT_EQ(servers.Order(at(ServerList::kRestMs + 2)), (Order{0, 1, 2}));
}

TEST(ServerList, WhereAllRestTheOneThatEndsFirstIsTried) {
  ServerList servers({"http://a", "http://b"});
  const ServerList::Clock::time_point start;
  servers.Failed(0, 5000, start);
  servers.Failed(1, 1000, start);
  EXPECT_EQ(servers.Order(start), (Order{1, 0}));
  EXPECT_EQ(servers.Order(start + std::chrono::milliseconds(1000)), (Order{1, 0}));
}

TEST(ServerList, ReadsAddresses) {
  const auto urls = ServerList::ParseUrls(" http://a/v1/ ,https://b:8000/v1", "llm.base_url");
  ASSERT_OK(urls);
  EXPECT_EQ(*urls, (std::vector<std::string>{"http://a/v1", "https://b:8000/v1"}));
  for (const char* wrong : {"", "a:80", "http://a,", "http://a,http://a/"}) {
    const auto refused = ServerList::ParseUrls(wrong, "embed.base_url");
    EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument)) << wrong;
    EXPECT_NE(refused.status().message().find("embed.base_url"), std::string::npos) << wrong;
  }
}

}  // namespace
}  // namespace ragtime
