// SPDX-License-Identifier: Apache-2.0
//
// Goal: texts come back in the order of the server's scores, ties by id, whatever order it sends them in; anything else
// is a Status that says what is wrong.
#include "model/openai/openai_reranker.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "base/str_cat.h"
#include "testing/scripted_http_server.h"
#include "testing/status_matchers.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using HttpQuestion = ScriptedHttpServer::Request;
using Reply = ScriptedHttpServer::Reply;

// Scores a text by its length, and sends the last one first.
Json AnswerTo(const HttpQuestion& question) {
  const Json body = *Json::Parse(question.body);
  Json results(Json::Array{});
  for (size_t i = body["documents"].AsArray().size(); i-- > 0;) {
    const auto length = static_cast<double>(body["documents"][i].AsString().size());
    results.Append(Json().Set("index", uint64_t{i}).Set("relevance_score", length - 10));
  }
  return Json().Set("results", std::move(results));
}

ScriptedHttpServer::Script Model() {
  return [](const HttpQuestion& question, Reply& reply) { reply.SendAnswer(200, AnswerTo(question).Dump()); };
}

OpenAiRerankerOptions Options(const std::string& base_url) {
  OpenAiRerankerOptions options;
  options.base_url = base_url;
  options.model = "m";
  options.api_key_env = "";
  options.retry = {.attempts_max = 2, .backoff_ms = 2, .backoff_max_ms = 4};
  return options;
}

const std::vector<RerankCandidate> kCandidates = {{5, "abc", 3}, {9, "abcdef", 2}, {7, "uvwxyz", 1}};

Result<std::vector<RankedCandidate>> Rerank(OpenAiRerankerOptions options,
                                            std::span<const RerankCandidate> candidates = kCandidates) {
  RAGTIME_ASSIGN_OR_RETURN(const auto reranker, OpenAiReranker::Create(std::move(options)));
  return reranker->Rerank({}, "what?", candidates);
}

TEST(OpenAiReranker, OrdersByScoreThenId) {
  ScriptedHttpServer server(Model());
  const auto ranked = Rerank(Options(server.url("/v1")));
  ASSERT_OK(ranked);
  EXPECT_EQ(*ranked, (std::vector<RankedCandidate>{{2, -4}, {1, -4}, {0, -7}}));
  const HttpQuestion seen = server.requests().at(0);
  EXPECT_EQ(seen.target, "/v1/rerank");
  EXPECT_EQ(seen.body, R"({"model":"m","query":"what?","documents":["abc","abcdef","uvwxyz"],"top_n":3,)"
                       R"("return_documents":false})");
  EXPECT_TRUE(Rerank(Options(server.url("/v1")), {})->empty());
}

TEST(OpenAiReranker, OfALongTextTheBestPartCounts) {
  ScriptedHttpServer server(Model());
  OpenAiRerankerOptions options = Options(server.url("/v1"));
  options.max_tokens = 64;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "words ";
  const auto ranked = Rerank(options, std::vector<RerankCandidate>{{1, "abc", 2}, {2, text, 1}});
  ASSERT_OK(ranked);
  ASSERT_EQ(ranked->size(), 2u);
  EXPECT_EQ(ranked->front().index, 1u);
  const Json body = *Json::Parse(server.requests()[0].body);
  size_t longest = 0;
  for (const Json& document : body["documents"].AsArray()) longest = std::max(longest, document.AsString().size());
  EXPECT_GT(body["documents"].AsArray().size(), 3u);
  EXPECT_EQ(ranked->front().score, static_cast<double>(longest) - 10);
}

TEST(OpenAiReranker, ScoresTheBestCandidatesOnly) {
  ScriptedHttpServer server(Model());
  OpenAiRerankerOptions options = Options(server.url("/v1"));
  options.candidates = 2;
  const auto ranked = Rerank(options);
  ASSERT_OK(ranked);
  EXPECT_EQ(*ranked, (std::vector<RankedCandidate>{{1, -4}, {0, -7}}));
}

TEST(OpenAiReranker, WrongAnswersAreNamed) {
  const auto status_of = [](const std::function<Json(Json)>& spoil) {
    ScriptedHttpServer server(
        [&](const HttpQuestion& question, Reply& reply) { reply.SendAnswer(200, spoil(AnswerTo(question)).Dump()); });
    const Status status = Rerank(Options(server.url("/v1"))).status();
    EXPECT_NE(status.message().find(server.url("/v1")), std::string::npos) << status.ToString();
    EXPECT_FALSE(status.remedy().empty()) << status.ToString();
    return status;
  };
  const auto change = [&](std::string_view key, const Json& value) {
    return status_of([&](Json answer) {
      Json::Array results = answer["results"].AsArray();
      results[1].Set(key, value);
      return Json().Set("results", std::move(results));
    });
  };
  EXPECT_THAT(change("index", 0), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("index", 3), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("index", Json()), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("relevance_score", Json()), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("relevance_score", "high"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(status_of([](const Json&) { return Json().Set("results", Json::Array{}); }),
              StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(status_of([](const Json&) { return Json().Set("data", Json::Array{}); }),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST(OpenAiReranker, ErrorsSayWhatToDo) {
  ScriptedHttpServer server({[](const HttpQuestion&, Reply& reply) { reply.SendAnswer(503, "{}"); }, Model()});
  EXPECT_OK(Rerank(Options(server.url("/v1"))));
  EXPECT_EQ(server.requests().size(), 2u);
  ScriptedHttpServer unable([](const HttpQuestion&, Reply& reply) {
    reply.SendAnswer(501, R"({"error":{"message":"This server does not support reranking."}})");
  });
  const Status status = Rerank(Options(unable.url("/v1"))).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnimplemented));
  EXPECT_NE(status.message().find("does not support reranking"), std::string::npos) << status.ToString();
  EXPECT_THAT(Rerank(Options("127.0.0.1")), StatusIs(StatusCode::kInvalidArgument));
  OpenAiRerankerOptions nameless = Options("http://127.0.0.1");
  nameless.model.clear();
  EXPECT_THAT(Rerank(nameless), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace ragtime
