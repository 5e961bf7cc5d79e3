// SPDX-License-Identifier: Apache-2.0
//
// Goal: every server is asked again by the same rules, and never past the time of the call.
#include "wire/remote_call.h"

#include <gtest/gtest.h>

#include "testing/scripted_http_server.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

Result<HttpResponse> Call(const ScriptedHttpServer& server, CallPolicy policy) {
  HttpClient client;
  return CallHttp(client, {}, policy, {.url = server.url("/x")},
                  [](const HttpResponse& answer) { return Status(StatusCodeOfHttp(answer.code), "refused"); });
}

TEST(RemoteCall, WhatMayPassByItselfIsTriedAgain) {
  for (const int code : {408, 425, 429, 500, 502, 503, 504}) {
    ScriptedHttpServer server({[code](const auto&, auto& reply) { reply.SendAnswer(code, "{}"); },
                               [](const auto&, auto& reply) { reply.SendAnswer(200, "good"); }});
    const auto answer = Call(server, {.retry = {.attempts_max = 2, .backoff_ms = 1}});
    ASSERT_OK(answer);
    EXPECT_EQ(answer->body, "good");
  }
}

TEST(RemoteCall, WhatWouldBeRefusedAgainIsNot) {
  for (const int code : {301, 400, 401, 403, 404, 409, 413, 422, 501}) {
    ScriptedHttpServer server([code](const auto&, auto& reply) { reply.SendAnswer(code, "{}"); });
    EXPECT_THAT(Call(server, {}), StatusIs(StatusCodeOfHttp(code)));
    EXPECT_EQ(server.requests().size(), 1u) << code;
  }
}

TEST(RemoteCall, ThePausesEndWithTheTimeOfTheCall) {
  ScriptedHttpServer server(
      [](const auto&, auto& reply) { reply.SendAnswer(503, "{}", "application/json", "Retry-After: 30\r\n"); });
  EXPECT_THAT(Call(server, {.timeout_ms = 2000}), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(server.requests().size(), 1u) << "a pause of 30 s does not fit into 2 s";
}

}  // namespace
}  // namespace ragtime
