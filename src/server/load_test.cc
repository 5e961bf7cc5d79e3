// SPDX-License-Identifier: Apache-2.0
//
// Goal: what RunLoad reports is what a server did: times, tokens, and every kind of failed request, none hidden.
// Method: a real HTTP server whose every byte the test decides.
#include "server/load.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "base/str_cat.h"
#include "testing/scripted_http_server.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using Request = ScriptedHttpServer::Request;
using Reply = ScriptedHttpServer::Reply;

std::string Piece(std::string_view text) {
  return StrCat(R"({"choices":[{"index":0,"delta":{"content":")", text, R"("}}]})");
}

constexpr char kUsage[] =
    R"({"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":60}}})";

void AnswerWell(Reply& reply) {
  reply.StartEventStream();
  reply.SendEvent(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
  reply.Sleep(40);
  reply.SendEvent(Piece("Four"));
  reply.Sleep(30);
  reply.SendEvent(Piece(" weeks."));
  reply.SendEvent(kUsage);
  reply.SendEvent("[DONE]");
  reply.EndStream();
}

LoadOptions OptionsOf(const ScriptedHttpServer& server, size_t users) {
  return {.base_url = StrCat("http://127.0.0.1:", server.port(), "/v1"), .model = "m", .users = users, .max_tokens = 7};
}

TEST(LoadTest, ReportsTimesAndTokensAsTheServerCountsThem) {
  std::atomic<size_t> wrong = 0;
  std::atomic<size_t> running = 0;
  std::atomic<size_t> most = 0;
  const ScriptedHttpServer server([&](const Request& request, Reply& reply) {
    const Result<Json> body = Json::Parse(request.body);
    const bool right = request.target == "/v1/chat/completions" && body.ok() && (*body)["stream"].AsBool() &&
                       (*body)["stream_options"]["include_usage"].AsBool() && (*body)["max_tokens"].AsInt() == 7 &&
                       (*body)["model"].AsString() == "m";
    if (!right) ++wrong;
    const size_t now = ++running;
    size_t seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    AnswerWell(reply);
    --running;
  });
  const auto report = RunLoad(Context{}, OptionsOf(server, 3), std::vector<std::string>(9, "How long?"));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(wrong, 0u);
  EXPECT_LE(most, 3u);
  EXPECT_GE(most, 2u) << "the requests came one after the other";
  EXPECT_EQ(report->requests, 9u);
  EXPECT_EQ(report->failed, 0u) << report->first_error;
  EXPECT_EQ(report->prompt_tokens, 900u);
  EXPECT_EQ(report->cached_tokens, 540u);
  EXPECT_EQ(report->completion_tokens, 36u);
  EXPECT_GE(report->ttft_p50_ms, 40) << "the empty first piece counted as text";
  EXPECT_GE(report->ttft_p95_ms, report->ttft_p50_ms);
  EXPECT_GE(report->tpot_p50_ms, 10);  // 30 ms over the three tokens after the first.
  EXPECT_GT(report->tokens_per_s, 0);
  EXPECT_GT(report->requests_per_s, 0);
}

TEST(LoadTest, CountsEveryKindOfFailureAndKeepsItOutOfTheFigures) {
  std::atomic<size_t> count = 0;
  const ScriptedHttpServer server([&](const Request&, Reply& reply) {
    switch (count++) {
      case 0:
        return reply.SendAnswer(429, R"({"error":{"message":"too many"}})");
      case 1:  // It ends without [DONE].
        reply.StartEventStream();
        reply.SendEvent(Piece("Four"));
        return reply.EndStream();
      case 2:
        reply.StartEventStream();
        reply.SendEvent(Piece("Four"));
        reply.SendEvent(R"({"error":{"message":"the model fell over"}})");
        reply.SendEvent("[DONE]");
        return reply.EndStream();
      case 3:  // In the middle: a connection that dies before the answer begins is tried again.
        reply.StartEventStream();
        reply.SendEvent(Piece("Four"));
        return reply.Close(/*reset=*/true);
      case 4:
        reply.StartEventStream();
        reply.SendEvent("{broken");
        return reply.EndStream();
      default:
        return AnswerWell(reply);
    }
  });
  const auto report = RunLoad(Context{}, OptionsOf(server, 1), std::vector<std::string>(7, "How long?"));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->failed, 5u);
  EXPECT_EQ(report->first_error, "HTTP 429: too many");
  EXPECT_EQ(report->completion_tokens, 8u);
}

TEST(LoadTest, CountsPiecesWhereTheServerCountsNothing) {
  const ScriptedHttpServer server([](const Request&, Reply& reply) {
    reply.StartEventStream();
    for (const char* text : {"a", "b", "c"}) reply.SendEvent(Piece(text));
    reply.SendEvent("[DONE]");
    reply.EndStream();
  });
  const auto report = RunLoad(Context{}, OptionsOf(server, 1), {"How long?"});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->completion_tokens, 3u);
  EXPECT_EQ(report->prompt_tokens, 0u);
}

TEST(LoadTest, DrawsByZipfsLawAndTheSameForASeed) {
  const std::vector<std::string> questions = {"a", "b", "c", "d"};
  const std::vector<std::string> drawn = DrawQuestions(questions, 20000, 1);
  EXPECT_EQ(drawn, DrawQuestions(questions, 20000, 1));
  EXPECT_NE(drawn, DrawQuestions(questions, 20000, 2));
  std::map<std::string, double> shares;
  for (const std::string& question : drawn) shares[question] += 1.0 / 20000;
  const double sum = 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4;
  for (size_t rank = 0; rank < 4; ++rank) {
    EXPECT_NEAR(shares[questions[rank]], 1 / static_cast<double>(rank + 1) / sum, 0.02) << questions[rank];
  }
}

}  // namespace
}  // namespace ragtime
