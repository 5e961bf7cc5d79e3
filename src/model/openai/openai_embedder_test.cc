// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever order, form and number of vectors a server sends, each text gets its own or the caller a Status that
// says what is wrong; long texts lose nothing; another model's vectors are never taken.
#include "model/openai/openai_embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/hash.h"
#include "base/str_cat.h"
#include "testing/scripted_http_server.h"
#include "testing/status_matchers.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using HttpQuestion = ScriptedHttpServer::Request;
using Reply = ScriptedHttpServer::Reply;

constexpr char kKey[] = "sk-very-secret";
constexpr size_t kDimension = 8;

// A model by its number: what it makes of a text.
std::vector<float> VectorOf(const std::string& text, int model = 1) {
  std::vector<float> vector(kDimension);
  for (size_t i = 0; i < kDimension; ++i) {
    vector[i] = static_cast<float>(Hash64(StrCat(text, " ", i, " ", model)) % 2000) / 1000.0f - 1.0f;
  }
  return vector;
}

Json Floats(const std::vector<float>& vector) {
  Json list(Json::Array{});
  for (const float value : vector) list.Append(double{value});
  return list;
}

std::string Base64(const std::vector<float>& vector) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes(vector.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

std::vector<std::string> InputsOf(const HttpQuestion& question) {
  std::vector<std::string> inputs;
  const Json body = *Json::Parse(question.body);
  for (const Json& input : body["input"].AsArray()) inputs.push_back(input.AsString());
  return inputs;
}

// The answer to a question, last vector first.
Json AnswerTo(const HttpQuestion& question, int model = 1) {
  const std::vector<std::string> inputs = InputsOf(question);
  const bool base64 = (*Json::Parse(question.body))["encoding_format"].AsString() == "base64";
  Json data(Json::Array{});
  for (size_t i = inputs.size(); i-- > 0;) {
    const std::vector<float> vector = VectorOf(inputs[i], model);
    data.Append(Json().Set("index", uint64_t{i}).Set("embedding", base64 ? Json(Base64(vector)) : Floats(vector)));
  }
  return Json().Set("data", std::move(data));
}

ScriptedHttpServer::Script Model(int model = 1) {
  return [model](const HttpQuestion& question, Reply& reply) {
    reply.SendAnswer(200, question.method == "GET" ? "{}" : AnswerTo(question, model).Dump());
  };
}

ScriptedHttpServer::Script Refuse(int code, std::string body = "{}", std::string headers = "") {
  return [=](const HttpQuestion&, Reply& reply) { reply.SendAnswer(code, body, "application/json", headers); };
}

OpenAiEmbedderOptions Options(const std::string& base_url) {
  OpenAiEmbedderOptions options;
  options.base_url = base_url;
  options.model = "m";
  options.api_key_env = "RAGTIME_TEST_KEY";
  options.timeout_ms = 20000;
  options.retry = {.attempts_max = 3, .backoff_ms = 2, .backoff_max_ms = 4};
  return options;
}

std::unique_ptr<OpenAiEmbedder> Open(OpenAiEmbedderOptions options) {
  return Value(OpenAiEmbedder::Open({}, std::move(options)));
}

double Cosine(std::span<const float> row, std::vector<float> other) {
  double product = 0;
  double squares = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    product += static_cast<double>(row[i]) * other[i];
    squares += static_cast<double>(other[i]) * other[i];
  }
  return product / std::sqrt(squares);
}

// Every text has its own vector, of length 1.
void ExpectVectors(const Result<std::vector<float>>& rows, const std::vector<std::string>& inputs) {
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), inputs.size() * kDimension);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_NEAR(Cosine(std::span(*rows).subspan(i * kDimension, kDimension), VectorOf(inputs[i])), 1, 1e-5) << i;
  }
}

class OpenAiEmbedderTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("RAGTIME_TEST_KEY", kKey, 1); }
  void TearDown() override { unsetenv("RAGTIME_TEST_KEY"); }
};

TEST_F(OpenAiEmbedderTest, LearnsTheDimensionAndEmbedsInOrder) {
  for (const bool base64 : {false, true}) {
    ScriptedHttpServer server(Model());
    OpenAiEmbedderOptions options = Options(server.url("/v1/"));
    options.base64 = base64;
    options.query_prefix = "query: ";
    const auto embedder = Open(options);
    EXPECT_EQ(embedder->info().dimension, kDimension);
    ExpectVectors(embedder->Embed({}, std::vector<std::string>{"one", "two", "三"}, TextKind::kQuery),
                  {"query: one", "query: two", "query: 三"});
    ExpectVectors(embedder->Embed({}, std::vector<std::string>{"one", ""}, TextKind::kPassage), {"one", " "});
    EXPECT_OK(embedder->Embed({}, std::vector<std::string>{}, TextKind::kPassage));
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 3u);
    EXPECT_EQ(requests[1].target, "/v1/embeddings");
    EXPECT_EQ(requests[1].headers.at("authorization"), StrCat("Bearer ", kKey));
    EXPECT_EQ(requests[1].body, StrCat(R"({"model":"m","input":["query: one","query: two","query: 三"],)",
                                       R"("encoding_format":")", base64 ? "base64" : "float", R"("})"));
  }
}

TEST_F(OpenAiEmbedderTest, ManyTextsGoInBatchesSideBySide) {
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  ScriptedHttpServer server([&](const HttpQuestion& question, Reply& reply) {
    const int now = ++under_way;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    EXPECT_LE(InputsOf(question).size(), 5u);
    reply.Sleep(20);
    --under_way;
    reply.SendAnswer(200, AnswerTo(question).Dump());
  });
  OpenAiEmbedderOptions options = Options(server.url("/v1"));
  options.batch = 5;
  options.parallel = 3;
  const auto embedder = Open(options);
  std::vector<std::string> texts;
  for (int i = 0; i < 52; ++i) texts.push_back(StrCat("text ", i));
  ExpectVectors(embedder->Embed({}, texts, TextKind::kPassage), texts);
  EXPECT_EQ(server.requests().size(), 12u);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

TEST_F(OpenAiEmbedderTest, LongTextsLoseNothing) {
  // A server that takes 40 characters at most, and says so in the words of llama-server.
  ScriptedHttpServer server([](const HttpQuestion& question, Reply& reply) {
    for (const std::string& input : InputsOf(question)) {
      if (input.find("word") != std::string::npos && input.size() > 40) {
        return reply.SendAnswer(500, R"({"error":{"code":500,"message":"input (99 tokens) is too large to process"}})");
      }
    }
    reply.SendAnswer(200, AnswerTo(question).Dump());
  });
  OpenAiEmbedderOptions options = Options(server.url("/v1"));
  options.max_tokens = 64;
  const auto embedder = Open(options);
  std::string text;
  for (int i = 0; i < 60; ++i) text += StrCat("word", i, " ");
  const auto rows = embedder->Embed({}, std::vector<std::string>{"short word", text}, TextKind::kPassage);
  ASSERT_OK(rows);
  EXPECT_NEAR(Cosine(std::span(*rows).first(kDimension), VectorOf("short word")), 1, 1e-5);
  // What the server has taken of the long one, joined, is the text.
  std::map<size_t, std::string> pieces;
  for (const HttpQuestion& question : server.requests()) {
    for (const std::string& input : InputsOf(question)) {
      if (input.size() <= 40 && text.find(input) != std::string::npos) pieces[text.find(input)] = input;
    }
  }
  std::string joined;
  for (const auto& [at, piece] : pieces) joined += piece;
  EXPECT_EQ(joined, text);
  double squares = 0;
  for (const float value : std::span(*rows).subspan(kDimension)) squares += static_cast<double>(value) * value;
  EXPECT_NEAR(squares, 1, 1e-5);
}

TEST_F(OpenAiEmbedderTest, AWordThatIsTooLongForTheServerIsAnError) {
  ScriptedHttpServer server({Model(), Refuse(400, R"({"error":{"message":"maximum context length is 0 tokens"}})")});
  const auto embedder = Open(Options(server.url("/v1")));
  const Status status = embedder->Embed({}, std::vector<std::string>{"a", "b"}, TextKind::kQuery).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.remedy().find("embed.max_tokens"), std::string::npos) << status.ToString();
}

TEST_F(OpenAiEmbedderTest, WrongAnswersAreNamed) {
  const auto status_of = [](const std::function<void(Json&)>& spoil) {
    ScriptedHttpServer server({Model(), [&](const HttpQuestion& question, Reply& reply) {
                                 Json answer = AnswerTo(question);
                                 spoil(answer);
                                 reply.SendAnswer(200, answer.Dump());
                               }});
    const auto embedder = Open(Options(server.url("/v1")));
    const Status status = embedder->Embed({}, std::vector<std::string>{"a", "b"}, TextKind::kQuery).status();
    EXPECT_EQ(server.requests().size(), 2u) << "it is not asked again";
    EXPECT_NE(status.message().find(server.url("/v1")), std::string::npos) << status.ToString();
    EXPECT_FALSE(status.remedy().empty()) << status.ToString();
    return status;
  };
  const auto data = [](Json& answer) { return Json::Array(answer["data"].AsArray()); };
  const Status fewer = status_of([&](Json& answer) { answer.Set("data", Json::Array{data(answer)[0]}); });
  EXPECT_THAT(fewer, StatusIs(StatusCode::kDataLoss));
  EXPECT_NE(fewer.message().find("1 vectors for this many texts: 2"), std::string::npos) << fewer.ToString();
  const auto change = [&](std::string_view key, const Json& value) {
    return status_of([&](Json& answer) {
      Json::Array changed = data(answer);
      changed[0].Set(key, value);
      answer.Set("data", std::move(changed));
    });
  };
  EXPECT_THAT(change("index", 0), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("index", 2), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("index", -1), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", Floats({1, 2, 3})), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", Floats(std::vector<float>(kDimension, 0))), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", Floats({1, 2, 3, NAN, 5, 6, 7, 8})), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", Floats({})), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", "no base64"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(change("embedding", Json()), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(status_of([](Json& answer) { answer = Json().Set("object", "list"); }),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(OpenAiEmbedderTest, WhatMayPassByItselfIsTriedAgain) {
  ScriptedHttpServer server({Refuse(429, "{}", "Retry-After: 0\r\n"), Refuse(503), Model()});
  EXPECT_EQ(Open(Options(server.url("/v1")))->info().dimension, kDimension);
  EXPECT_EQ(server.requests().size(), 3u);

  const std::string dead = StrCat("http://127.0.0.1:", ScriptedHttpServer::UnusedPort(), "/v1");
  const Status status = OpenAiEmbedder::Open({}, Options(dead)).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(status.message().find(dead), std::string::npos);
  EXPECT_EQ(status.remedy(), "start the server, or correct embed.base_url");

  ScriptedHttpServer refusing(Refuse(401, StrCat(R"({"error":")", kKey, R"("})")));
  const Status refused = OpenAiEmbedder::Open({}, Options(refusing.url("/v1"))).status();
  EXPECT_THAT(refused, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(refused.ToString().find(kKey), std::string::npos);
  ScriptedHttpServer page([](const HttpQuestion&, Reply& reply) { reply.SendAnswer(200, "<html>"); });
  EXPECT_THAT(OpenAiEmbedder::Open({}, Options(page.url())), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(OpenAiEmbedderTest, SilenceAndCancellationEndInTime) {
  ScriptedHttpServer server({Model(), [](const HttpQuestion&, Reply& reply) { reply.WaitForClientToLeave(); }});
  OpenAiEmbedderOptions options = Options(server.url("/v1"));
  options.batch = 1;
  options.retry.attempts_max = 1;
  const auto embedder = Open(options);
  const std::vector<std::string> texts = {"a", "b", "c"};
  std::stop_source source;
  std::jthread canceller([&] {
    while (server.requests().size() < 3) std::this_thread::yield();
    source.request_stop();
  });
  EXPECT_THAT(embedder->Embed({.stop = source.get_token()}, texts, TextKind::kPassage),
              StatusIs(StatusCode::kCancelled));
  Context late;
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_THAT(embedder->Embed(late, texts, TextKind::kPassage), StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(OpenAiEmbedderTest, TheRecordedModelNeedsNoRequestAndIsCheckedWithTheFirst) {
  ScriptedHttpServer server(Model());
  const std::string fingerprint = Open(Options(server.url("/v1")))->info().fingerprint;
  ScriptedHttpServer again(Model());
  OpenAiEmbedderOptions options = Options(again.url("/v1"));
  options.fingerprint = fingerprint;
  const auto embedder = Open(options);
  EXPECT_EQ(again.requests().size(), 0u);
  EXPECT_EQ(embedder->info().fingerprint, fingerprint);
  EXPECT_EQ(embedder->info().dimension, kDimension);
  ExpectVectors(embedder->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery), {"a"});
  ExpectVectors(embedder->Embed({}, std::vector<std::string>{"b"}, TextKind::kQuery), {"b"});
  ASSERT_EQ(again.requests().size(), 2u);
  EXPECT_EQ(InputsOf(again.requests()[0]).size(), 2u) << "with the text to compare by";
  EXPECT_EQ(InputsOf(again.requests()[1]).size(), 1u);

  // Another model behind the same name.
  ScriptedHttpServer other(Model(2));
  options.base_url = other.url("/v1");
  const Status status = Open(options)->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery).status();
  EXPECT_THAT(status, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(status.message().find("other vectors"), std::string::npos) << status.ToString();

  // Another prefix makes other vectors of the same model.
  options.base_url = again.url("/v1");
  options.passage_prefix = "passage: ";
  EXPECT_NE(Open(options)->info().fingerprint, fingerprint);
}

TEST_F(OpenAiEmbedderTest, TheNextServerAnswersWhereOneDoesNot) {
  const std::string dead = StrCat("http://127.0.0.1:", ScriptedHttpServer::UnusedPort(), "/v1");
  ScriptedHttpServer server(Model());
  const auto embedder = Open(Options(StrCat(dead, ", ", server.url("/v1"))));
  EXPECT_THAT(embedder->condition(), StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(embedder->condition().message().find(StrCat(server.url("/v1"), " answered in place of ", dead)),
            std::string::npos);
  ExpectVectors(embedder->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery), {"a"});
  EXPECT_EQ(InputsOf(server.requests().back()).size(), 1u) << "it has been compared";

  // The first goes away between two calls, and the second has another model: its vectors are not taken.
  for (const int model : {1, 2}) {
    ScriptedHttpServer first({Model(), Model(), Model(), Refuse(503)});
    ScriptedHttpServer second(Model(model));
    OpenAiEmbedderOptions options = Options(StrCat(first.url("/v1"), ",", second.url("/v1")));
    const auto both = Open(options);  // A probe and a request.
    ExpectVectors(both->Embed({}, std::vector<std::string>{"a"}, TextKind::kQuery), {"a"});
    EXPECT_OK(both->condition());
    const auto rows = both->Embed({}, std::vector<std::string>{"b"}, TextKind::kQuery);
    if (model == 1) {
      ExpectVectors(rows, {"b"});
      EXPECT_THAT(both->condition(), StatusIs(StatusCode::kUnavailable));
    } else {
      EXPECT_THAT(rows, StatusIs(StatusCode::kFailedPrecondition));
    }
  }
}

TEST_F(OpenAiEmbedderTest, AsksForAShorterVector) {
  ScriptedHttpServer server(Model());
  OpenAiEmbedderOptions options = Options(server.url("/v1"));
  options.dimensions = kDimension;
  EXPECT_OK(OpenAiEmbedder::Open({}, options));
  EXPECT_EQ((*Json::Parse(server.requests()[0].body))["dimensions"].AsInt(), static_cast<int64_t>(kDimension));
  options.dimensions = 4;
  EXPECT_THAT(OpenAiEmbedder::Open({}, options), StatusIs(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace ragtime
