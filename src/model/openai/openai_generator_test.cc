// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a server sends, and wherever the network cuts it, the caller gets the whole answer once, or one Status
// that says what to do; and the key never shows.
#include "model/openai/openai_generator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "testing/scripted_http_server.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using HttpQuestion = ScriptedHttpServer::Request;
using Reply = ScriptedHttpServer::Reply;

constexpr char kKey[] = "sk-very-secret";

std::string Delta(std::string_view content, std::string_view field = "content") {
  return Json().Set("choices", Json().Append(Json().Set("index", 0).Set("delta", Json().Set(field, content)))).Dump();
}
std::string Finish(std::string_view reason = "stop") {
  return StrCat(R"({"choices":[{"index":0,"delta":{},"finish_reason":")", reason, R"("}]})");
}
const char kUsage[] =
    R"({"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":16}}})";

// A normal answer in the pieces given.
ScriptedHttpServer::Script Answer(std::vector<std::string> pieces) {
  return [pieces](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    for (const std::string& piece : pieces) reply.SendEvent(Delta(piece));
    reply.SendEvent(Finish());
    reply.SendEvent(kUsage);
    reply.SendEvent("[DONE]");
    reply.EndStream();
  };
}

ScriptedHttpServer::Script Refuse(int code, std::string body, std::string headers = "") {
  return [=](const HttpQuestion&, Reply& reply) { reply.SendAnswer(code, body, "application/json", headers); };
}

class OpenAiGeneratorTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("RAGTIME_TEST_KEY", kKey, 1); }
  void TearDown() override { unsetenv("RAGTIME_TEST_KEY"); }

  static OpenAiGeneratorOptions Options(const std::string& base_url) {
    OpenAiGeneratorOptions options;
    options.base_url = base_url;
    options.model = "m";
    options.api_key_env = "RAGTIME_TEST_KEY";
    options.timeout_ms = 20000;
    options.idle_timeout_ms = 10000;
    options.retry = {.attempts_max = 3, .backoff_ms = 2, .backoff_max_ms = 4};
    return options;
  }

  Result<GenerationResult> Ask(OpenAiGeneratorOptions options, const Context& context = {}) {
    Result<std::unique_ptr<OpenAiGenerator>> generator = OpenAiGenerator::Create(std::move(options));
    if (!generator.ok()) return generator.status();
    GenerationRequest request;
    request.messages = {{"system", "Be brief."}, {"user", "How long?"}};
    request.max_tokens = 77;
    request.temperature = 0.7f;
    streamed_.clear();
    pieces_ = 0;
    const Result<GenerationResult> result =
        (*generator)->Generate(context, request, [&](Channel channel, std::string_view text) {
          streamed_ += channel == Channel::kReasoning ? StrCat("(", text, ")") : std::string(text);
          ++pieces_;
          return pieces_ < pieces_wanted_;
        });
    EXPECT_EQ(result.status().ToString().find(kKey), std::string::npos) << result.status().ToString();
    return result;
  }
  Result<GenerationResult> AskServer(const ScriptedHttpServer& server) { return Ask(Options(server.url("/v1/"))); }

  std::string streamed_;
  int pieces_ = 0;
  int pieces_wanted_ = 1 << 30;
};

TEST_F(OpenAiGeneratorTest, StreamsAnAnswer) {
  ScriptedHttpServer server(Answer({"Five ", "years ", "[1]."}));
  const Result<GenerationResult> result = AskServer(server);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "Five years [1].");
  EXPECT_EQ(streamed_, result->text);
  EXPECT_EQ(result->prompt_tokens, 20u);
  EXPECT_EQ(result->cached_tokens, 16u);
  EXPECT_EQ(result->completion_tokens, 5u);
  EXPECT_FALSE(result->truncated);
  EXPECT_GT(result->ttft_ms, 0);
  const HttpQuestion seen = server.requests().at(0);
  EXPECT_EQ(seen.target, "/v1/chat/completions");
  EXPECT_EQ(seen.headers.at("authorization"), StrCat("Bearer ", kKey));
  EXPECT_EQ(
      seen.body,
      R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"How long?"}],)"
      R"("max_tokens":77,"temperature":0.7,"stream":true,"stream_options":{"include_usage":true}})");
}

TEST_F(OpenAiGeneratorTest, JsonIsAskedForByResponseFormat) {
  ScriptedHttpServer server(Answer({R"({"years":)", " [5]}"}));
  const auto generator = OpenAiGenerator::Create(Options(server.url("/v1/")));
  ASSERT_TRUE(generator.ok()) << generator.status().ToString();
  GenerationRequest request;
  request.messages = {{"user", "How long?"}};
  request.json_schema = "";
  Result<GenerationResult> result = (*generator)->Generate({}, request, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, R"({"years": [5]})");
  request.json_schema = R"({"type":"object"})";
  ASSERT_TRUE((*generator)->Generate({}, request, nullptr).ok());
  const auto format_of = [&server](size_t index) {
    return (*Json::Parse(server.requests().at(index).body))["response_format"].Dump();
  };
  EXPECT_EQ(format_of(0), R"({"type":"json_object"})");
  EXPECT_EQ(format_of(1),
            R"({"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":{"type":"object"}}})");
  request.json_schema = "{";
  result = (*generator)->Generate({}, request, nullptr);
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(OpenAiGeneratorTest, WithoutAKeyNoneIsSent) {
  unsetenv("RAGTIME_TEST_KEY");
  ScriptedHttpServer server(Answer({"ok"}));
  ASSERT_TRUE(AskServer(server).ok());
  EXPECT_EQ(server.requests()[0].headers.count("authorization"), 0u);
}

TEST_F(OpenAiGeneratorTest, ReasoningHasItsOwnChannel) {
  ScriptedHttpServer deepseek([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(R"({"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"hm"}}]})");
    reply.SendEvent(R"({"choices":[{"delta":{"content":"Five","reasoning_content":null}}]})");
    reply.SendEvent(R"({"choices":[{"delta":{"content":""},"finish_reason":"length"}]})");
    reply.SendEvent(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_cache_hit_tokens":8}})");
    reply.SendEvent("[DONE]");
    reply.EndStream();
  });
  Result<GenerationResult> result = AskServer(deepseek);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->text, "Five");
  EXPECT_TRUE(result->truncated);
  EXPECT_EQ(result->cached_tokens, 8u);
  EXPECT_EQ(streamed_, "(hm)Five");

  ScriptedHttpServer tags(Answer({"<th", "ink>", "hm", "</thi", "nk>", "\n\nFive"}));
  result = AskServer(tags);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->text, "Five");

  ScriptedHttpServer opened(Answer({"hm", "</think>", "Five"}));
  OpenAiGeneratorOptions options = Options(opened.url());
  options.template_opens_think = true;
  result = Ask(options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->text, "Five");
}

TEST_F(OpenAiGeneratorTest, SaysHowLongToThink) {
  ScriptedHttpServer server(Answer({"ok"}));
  const std::unique_ptr<OpenAiGenerator> generator = *OpenAiGenerator::Create(Options(server.url("/v1")));
  GenerationRequest request{.messages = {{"user", "?"}}, .max_tokens = 100};
  const auto sent = [&] {
    EXPECT_TRUE(generator->Generate({}, request, nullptr).ok());
    return *Json::Parse(server.requests().back().body);
  };
  EXPECT_FALSE(sent().Has("chat_template_kwargs"));
  request.thinking_tokens = 0;
  Json body = sent();
  EXPECT_EQ(body["chat_template_kwargs"].Dump(), R"({"enable_thinking":false})");
  EXPECT_EQ(body["max_tokens"].AsInt(), 100);
  request.thinking_tokens = 50;
  body = sent();
  EXPECT_EQ(body["chat_template_kwargs"].Dump(), R"({"enable_thinking":true,"thinking_budget":50})");
  EXPECT_EQ(body["max_tokens"].AsInt(), 150);
  EXPECT_EQ(body["thinking_budget_tokens"].AsInt(), 50);
  EXPECT_EQ(body["thinking_token_budget"].AsInt(), 50);
}

TEST_F(OpenAiGeneratorTest, TheNextServerAnswersWhereOneDoesNot) {
  const std::string dead = StrCat("http://127.0.0.1:", ScriptedHttpServer::UnusedPort(), "/v1");
  const auto model = [](std::string words) -> ScriptedHttpServer::Script {
    return [words](const HttpQuestion& question, Reply& reply) {
      if (question.method == "GET") return reply.SendAnswer(404, "{}");  // No list of models; but somebody is there.
      Answer({words})(question, reply);
    };
  };
  {
    ScriptedHttpServer server(model("ok"));
    const Result<GenerationResult> result = Ask(Options(StrCat(dead, ",", server.url("/v1"))));
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_EQ(result->text, "ok");
    ASSERT_EQ(result->warnings.size(), 1u);
    EXPECT_NE(result->warnings[0].find(StrCat(server.url("/v1"), " answered in place of ", dead)), std::string::npos);
  }
  // One that takes connections and says nothing is found out by a short question, not by the time of the answer.
  ScriptedHttpServer silent([](const HttpQuestion&, Reply& reply) { reply.WaitForClientToLeave(); });
  ScriptedHttpServer second(model("two"));
  const std::unique_ptr<OpenAiGenerator> generator =
      *OpenAiGenerator::Create(Options(StrCat(silent.url("/v1"), ",", second.url("/v1"))));
  const GenerationRequest request{.messages = {{"user", "?"}}};
  for (int i = 0; i < 3; ++i) {
    const Result<GenerationResult> result = generator->Generate({}, request, nullptr);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_EQ(result->text, "two");
    EXPECT_EQ(result->warnings.size(), 1u);
  }
  EXPECT_EQ(silent.requests().size(), 1u) << "it is passed over while it rests";
  EXPECT_EQ(silent.requests()[0].target, "/v1/models");
}

TEST_F(OpenAiGeneratorTest, AStreamThatHasBegunIsNeverSwitched) {
  ScriptedHttpServer first([](const HttpQuestion& question, Reply& reply) {
    if (question.method == "GET") return reply.SendAnswer(200, "{}");
    reply.StartEventStream();
    reply.SendEvent(Delta("half an"));
    reply.Close(true);
  });
  ScriptedHttpServer second(Answer({"another"}));
  const Status status = Ask(Options(StrCat(first.url("/v1"), ",", second.url("/v1")))).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(streamed_, "half an");
  EXPECT_EQ(second.requests().size(), 0u);

  // A wrong key, or a prompt that is too long, is no reason to ask elsewhere: it is to be put right.
  ScriptedHttpServer refusing(
      [](const HttpQuestion& question, Reply& reply) { reply.SendAnswer(question.method == "GET" ? 200 : 401, "{}"); });
  EXPECT_EQ(Ask(Options(StrCat(refusing.url("/v1"), ",", second.url("/v1")))).status().code(),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(second.requests().size(), 0u);
}

TEST_F(OpenAiGeneratorTest, WhereNoServerAnswersEachIsTriedAgain) {
  ScriptedHttpServer first(Refuse(503, "{}"));
  ScriptedHttpServer second([](const HttpQuestion& question, Reply& reply) {
    reply.SendAnswer(question.method == "GET" ? 200 : 429, "{}", "application/json", "Retry-After: 0\r\n");
  });
  const Status status = Ask(Options(StrCat(first.url("/v1"), ",", second.url("/v1")))).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(first.requests().size(), 3u) << "one question whether it is there in each round";
  EXPECT_EQ(second.requests().size(), 6u) << "the same, and a request";
}

TEST_F(OpenAiGeneratorTest, NoMoreRequestsThanAllowedAreUnderWay) {
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  ScriptedHttpServer server([&](const HttpQuestion& question, Reply& reply) {
    const int now = ++under_way;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    reply.Sleep(20);
    --under_way;
    Answer({"ok"})(question, reply);
  });
  OpenAiGeneratorOptions options = Options(server.url("/v1"));
  options.requests_max = 2;
  const std::unique_ptr<OpenAiGenerator> generator = *OpenAiGenerator::Create(options);
  std::atomic<int> queued = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const Result<GenerationResult> result = generator->Generate({}, {.messages = {{"user", "?"}}}, nullptr);
        EXPECT_TRUE(result.ok());
        if (result.ok() && result->queue_ms > 10) ++queued;
      });
    }
  }
  EXPECT_LE(most, 2);
  EXPECT_GE(queued, 4);
  EXPECT_EQ(generator->statistics().requests_running, 0u);
}

TEST_F(OpenAiGeneratorTest, CharactersStayWholeWhereverTheyAreCut) {
  // The bytes of one stream, cut at random places by the network.
  std::string bytes;
  for (std::string_view piece : {"保修期", "五年", "😀", " é"}) bytes += StrCat("data: ", Delta(piece), "\n\n");
  bytes += StrCat("data: ", Finish(), "\n\ndata: [DONE]\n\n");
  ScriptedHttpServer network([&](const HttpQuestion&, Reply& reply) {
    static std::mt19937_64 random(5);
    reply.StartEventStream();
    for (size_t start = 0; start < bytes.size();) {
      const size_t size = 1 + random() % 40;
      reply.SendChunk(std::string_view(bytes).substr(start, size));
      start += size;
    }
    reply.EndStream();
  });
  for (int i = 0; i < 5; ++i) {
    const Result<GenerationResult> result = AskServer(network);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->text, "保修期五年😀 é");
  }
  // A server that puts half a character into each of two JSON strings.
  ScriptedHttpServer halves([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    for (std::string_view half : {"\xE4\xBF\x9D\xE4", "\xBF", "\xAE", "\xF0\x9F"}) {
      reply.SendEvent(StrCat(R"({"choices":[{"delta":{"content":")", half, R"("}}]})"));
    }
    reply.SendEvent(Finish());
    reply.EndStream();
  });
  const Result<GenerationResult> result = AskServer(halves);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "保修\xEF\xBF\xBD");
  EXPECT_EQ(streamed_, result->text);
}

TEST_F(OpenAiGeneratorTest, AServerThatDoesNotStreamIsUnderstood) {
  ScriptedHttpServer server(Refuse(
      200,
      R"({"choices":[{"message":{"content":"<think>hm</think>Five"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}})"));
  const Result<GenerationResult> result = AskServer(server);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "Five");
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->prompt_tokens, 3u);
}

TEST_F(OpenAiGeneratorTest, WithoutUsageTokensAreEstimated) {
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(Delta("a"));
    reply.SendEvent(Delta("b"));
    reply.SendEvent("[DONE]");
    reply.EndStream();
  });
  const Result<GenerationResult> result = AskServer(server);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->completion_tokens, 2u);
  EXPECT_GE(result->prompt_tokens, 5u);
}

TEST_F(OpenAiGeneratorTest, BusyAndFailingServersAreAskedAgain) {
  ScriptedHttpServer server({Refuse(429, R"({"error":{"message":"slow down"}})", "Retry-After: 0\r\n"),
                             Refuse(503, "<html>busy</html>"), Answer({"ok"})});
  const Result<GenerationResult> result = AskServer(server);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "ok");
  EXPECT_EQ(server.requests().size(), 3u);

  ScriptedHttpServer down(Refuse(503, R"({"detail":"loading the model"})"));
  const Status status = AskServer(down).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(down.requests().size(), 3u);
  EXPECT_NE(status.message().find("HTTP 503, \"loading the model\""), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find(down.url("/v1")), std::string::npos) << status.ToString();

  ScriptedHttpServer patient(Refuse(429, "{}", "Retry-After: 3600\r\n"));
  EXPECT_EQ(AskServer(patient).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(patient.requests().size(), 1u);
}

TEST_F(OpenAiGeneratorTest, ErrorsSayWhatToDo) {
  const auto status_of = [&](int code, const std::string& body) {
    ScriptedHttpServer server(Refuse(code, body));
    const Status status = AskServer(server).status();
    EXPECT_EQ(server.requests().size(), 1u) << code;
    EXPECT_NE(status.message().find(server.url("/v1")), std::string::npos) << status.ToString();
    return status;
  };
  const Status refused = status_of(401, StrCat(R"({"error":{"message":"bad key )", kKey, R"("}})"));
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
  EXPECT_NE(refused.ToString().find("RAGTIME_TEST_KEY"), std::string::npos);

  const Status unknown = status_of(404, R"({"error":"model not found"})");
  EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
  EXPECT_NE(unknown.message().find("\"m\""), std::string::npos);
  EXPECT_NE(unknown.remedy().find("llm.base_url"), std::string::npos);

  EXPECT_EQ(status_of(400, R"({"error":{"code":"context_length_exceeded","message":"too long"}})").code(),
            StatusCode::kResourceExhausted);
  const Status odd = status_of(400, StrCat(R"({"error":{"message":"no )", kKey, R"(\n!"}})"));
  EXPECT_EQ(odd.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(odd.message().find("\"no *** !\""), std::string::npos) << odd.ToString();
  EXPECT_EQ(status_of(302, "").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status_of(200, "<html>hello</html>").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status_of(200, "").code(), StatusCode::kFailedPrecondition);

  unsetenv("RAGTIME_TEST_KEY");
  const Status unset = status_of(401, "{}");
  EXPECT_NE(unset.message().find("RAGTIME_TEST_KEY is not set"), std::string::npos) << unset.ToString();
}

TEST_F(OpenAiGeneratorTest, ADeadServerIsNamed) {
  const std::string url = StrCat("http://127.0.0.1:", ScriptedHttpServer::UnusedPort(), "/v1");
  const Status status = Ask(Options(url)).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(url), std::string::npos);
  EXPECT_EQ(status.remedy(), "start the server, or correct llm.base_url");
}

TEST_F(OpenAiGeneratorTest, NothingIsRepeatedAfterTheFirstToken) {
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(Delta("half an"));
    reply.Close(true);
  });
  const Status status = AskServer(server).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(streamed_, "half an");

  // Before the first token a broken connection is tried again.
  ScriptedHttpServer early({[](const HttpQuestion&, Reply& reply) {
                              reply.StartEventStream();
                              reply.Close(true);
                            },
                            Answer({"ok"})});
  const Result<GenerationResult> result = AskServer(early);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "ok");
}

TEST_F(OpenAiGeneratorTest, AnAnswerThatDoesNotEndIsAnError) {
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(Delta("half an"));
    reply.EndStream();
  });
  const Status status = AskServer(server).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("ended before the answer was complete"), std::string::npos) << status.ToString();

  // A finish_reason is an end, with or without [DONE], and even if the connection breaks behind it.
  ScriptedHttpServer finished([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(Delta("whole"));
    reply.SendEvent(Finish());
    reply.Close(true);
  });
  const Result<GenerationResult> result = AskServer(finished);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "whole");
}

TEST_F(OpenAiGeneratorTest, GarbageInTheStreamIsDataLoss) {
  for (std::string_view garbage : {"{\"choices\":[", "7", "null", "\x01\xff"}) {
    ScriptedHttpServer server([&](const HttpQuestion&, Reply& reply) {
      reply.StartEventStream();
      reply.SendEvent(garbage);
      reply.SendEvent(Finish());
      reply.EndStream();
    });
    EXPECT_EQ(AskServer(server).status().code(), StatusCode::kDataLoss) << garbage;
  }
  ScriptedHttpServer endless([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendChunk("data: ");
    while (reply.SendChunk(std::string(100000, 'x'))) {
    }
  });
  EXPECT_FALSE(AskServer(endless).ok());
  // Odd but legal JSON is no reason to fail.
  ScriptedHttpServer odd([&](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    for (std::string_view json : {"{}", R"({"choices":7})", R"({"choices":[{"delta":[1]}]})", R"({"usage":null})"}) {
      reply.SendEvent(json);
    }
    reply.SendChunk(": comment\r\n\r\n");
    reply.SendEvent(Delta("ok"));
    reply.SendEvent("[DONE]");
    reply.EndStream();
  });
  const Result<GenerationResult> result = AskServer(odd);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->text, "ok");
}

TEST_F(OpenAiGeneratorTest, AnErrorInsideTheStreamIsTheServersError) {
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(R"({"error":{"message":"out of memory","code":500}})");
    reply.EndStream();
  });
  const Status status = AskServer(server).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("out of memory"), std::string::npos);
  EXPECT_EQ(server.requests().size(), 3u);
  ScriptedHttpServer full([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(R"({"error":{"message":"the request exceeds the available context size","code":400}})");
    reply.EndStream();
  });
  EXPECT_EQ(AskServer(full).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(full.requests().size(), 1u);
}

TEST_F(OpenAiGeneratorTest, SilenceSlownessAndCancellationEndInTime) {
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    reply.SendEvent(Delta("one"));
    reply.WaitForClientToLeave();
  });
  OpenAiGeneratorOptions options = Options(server.url("/v1"));
  options.idle_timeout_ms = 60;
  const Stopwatch stopwatch;
  const Status stalled = Ask(options).status();
  EXPECT_EQ(stalled.code(), StatusCode::kUnavailable);
  EXPECT_NE(stalled.message().find("sent nothing for 60 ms"), std::string::npos) << stalled.ToString();
  options.idle_timeout_ms = 10000;
  options.timeout_ms = 60;
  EXPECT_EQ(Ask(options).status().code(), StatusCode::kDeadlineExceeded);
  options.timeout_ms = 10000;
  std::stop_source source;
  Context context;
  context.stop = source.get_token();
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request_stop();
  });
  EXPECT_EQ(Ask(options, context).status().code(), StatusCode::kCancelled);
  EXPECT_LT(stopwatch.ElapsedMs(), 5000);
}

TEST_F(OpenAiGeneratorTest, TheReceiverMayStop) {
  pieces_wanted_ = 1;
  ScriptedHttpServer server([](const HttpQuestion&, Reply& reply) {
    reply.StartEventStream();
    while (reply.SendEvent(Delta("more "))) {
    }
  });
  const Result<GenerationResult> result = AskServer(server);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->text, "more ");
  EXPECT_EQ(pieces_, 1);
}

TEST_F(OpenAiGeneratorTest, RefusesAWrongConfiguration) {
  EXPECT_EQ(Ask(Options("127.0.0.1:8000")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Ask(Options("")).status().code(), StatusCode::kInvalidArgument);
  OpenAiGeneratorOptions options = Options("http://127.0.0.1");
  options.model.clear();
  EXPECT_EQ(Ask(options).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(OpenAiGeneratorTest, CountsTokensFromAbove) {
  const std::unique_ptr<OpenAiGenerator> generator = *OpenAiGenerator::Create(Options("http://127.0.0.1"));
  EXPECT_EQ(generator->CountTokens(""), 0u);
  EXPECT_EQ(generator->CountTokens("a"), 1u);
  // 9 tokens by GPT-4's tokenizer, 10 by SmolLM2's; 4 to 8 for the Chinese.
  EXPECT_GE(generator->CountTokens("The quick brown fox jumps over the lazy dog."), 10u);
  EXPECT_GE(generator->CountTokens("这台锅炉保修五年"), 8u);
}

}  // namespace
}  // namespace ragtime
