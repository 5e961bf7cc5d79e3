// SPDX-License-Identifier: Apache-2.0
//
// Goal: the server speaks OpenAI's protocol, names what is wrong with a request, stays within its limits, ends the work
// of clients that leave, and lets requests finish when it is told to end.
// Method: a knowledge base whose answers are scripted; real sockets on 127.0.0.1.
#include "server/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <random>
#include <regex>
#include <thread>

#include "base/str_cat.h"
#include "model/scripted/scripted_generator.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/sse_parser.h"

namespace ragtime {
namespace {

using testing::HasSubstr;

// Answers by its generator alone; a question "fail" fails, and "late failure" after two words.
class ScriptedKnowledgeBase final : public KnowledgeBase {
 public:
  ScriptedKnowledgeBase() : generator_([this](const GenerationRequest& request) { return Reply(request); }) {}

  Status Prepare(const Context&) override {
    ++prepared;
    while (loading) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Status();
  }
  Result<Answer> Ask(const AskRequest& request) override {
    ++asked;
    GenerationRequest generation;
    generation.messages = {{"user", request.question}};
    generation.max_tokens = request.max_tokens.value_or(256);
    {
      const std::lock_guard lock(mutex_);
      last_ = {request.client, request.session, request.owner, request.json_schema};
    }
    if (request.question == "unknown") {
      Answer answer;
      answer.found = false;
      answer.text = "Nothing was found.";
      return answer;
    }
    const Result<GenerationResult> result = generator_.Generate(request.context, generation, request.on_token);
    ++ended;
    if (!result.ok()) {
      cancelled += result.status().code() == StatusCode::kCancelled;
      return result.status();
    }
    Answer answer;
    answer.text = result->text;
    answer.reasoning = result->reasoning;
    answer.mode = AnswerMode::kGenerate;
    answer.prompt_tokens = 100;
    answer.cached_tokens = 60;
    answer.completion_tokens = result->completion_tokens;
    answer.citations = {{.marker = 1, .node_id = 7, .file = "a.md", .quote = "four weeks"}};
    answer.timings_ms = {{"ttft", 5}, {"tpot", 1}, {"queue", 2}};
    if (result->truncated) answer.warnings.push_back({"truncated", std::nullopt, "cut off"});
    return answer;
  }
  Result<SearchResult> Search(const SearchRequest& request) override {
    if (request.filter == "bad") return InvalidArgumentError("the filter is bad", "write another");
    SearchResult result;
    result.hits.push_back({.score = 1, .file = "a.md"});
    return result;
  }
  Result<KnowledgeBaseStatistics> Statistics() override {
    if (broken) return UnavailableError("the store is away", "bring it back");
    return KnowledgeBaseStatistics{};
  }
  GeneratorStatistics GenerationStatistics() override { return {.prompt_tokens = 200, .cached_tokens = 120}; }
  ThreadStatistics ComputingThreads() override {
    return {.threads = 4, .answers = 3, .background = 1, .questions_embedded = 7, .background_wait_ms = 500};
  }

  Result<IngestReport> Ingest(const std::vector<std::filesystem::path>&, const IngestOptions&) override { return No(); }
  Result<WhyNotReport> WhyNot(const WhyNotRequest&) override { return No(); }
  Status RegisterSimilarity(const std::string&, Similarity) override { return No(); }
  Result<TableResult> Query(const TableRequest&) override { return No(); }
  Result<std::vector<FileRecord>> Files() override { return No(); }
  Result<DeleteReport> Delete(const std::vector<std::string>&, const Context&) override { return No(); }
  Result<CompactReport> Compact(const Context&) override { return No(); }
  Result<VerifyReport> Verify(const Context&) override { return No(); }
  Result<BackupReport> Backup(const std::filesystem::path&, bool, const Context&) override { return No(); }

  std::atomic<int> asked = 0;
  std::atomic<int> ended = 0;
  std::atomic<int> cancelled = 0;
  std::atomic<bool> broken = false;
  std::atomic<bool> loading = false;
  std::atomic<int> prepared = 0;
  std::atomic<int> delay_ms = 0;
  struct Asker {
    std::string client;
    std::string session;
    std::string owner;
    std::optional<std::string> json_schema;
  };
  Asker last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  static Status No() { return UnimplementedError("not in this test"); }
  ScriptedReply Reply(const GenerationRequest& request) const {
    const std::string& question = request.messages[0].content;
    ScriptedReply reply{.text = "Books are lent for four weeks [1].", .delay_ms = delay_ms};
    if (question == "think") reply.reasoning = "The user wants to know.";
    if (question == "endless") {
      reply.text = std::string();
      for (int i = 0; i < 100000; ++i) reply.text += "word ";
      reply.delay_ms = 2;
    }
    if (question == "fail") reply.error = UnavailableError("the model is away", "start it");
    if (question == "late failure") {
      reply.error = UnavailableError("the model went away", "start it");
      reply.words_before_error = 2;
    }
    return reply;
  }

  ScriptedGenerator generator_;
  mutable std::mutex mutex_;
  Asker last_;  // Guarded by mutex_.
};

// A connection of one's own, for what no decent client sends.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~RawConnection() { Close(); }
  void Close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void Write(std::string_view bytes) { (void)!::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until `needle` is there, or the end.
  std::string ReadUntil(std::string_view needle) {
    while (read_.find(needle) == std::string::npos) {
      char buffer[4096];
      const ssize_t size = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (size <= 0) break;
      read_.append(buffer, static_cast<size_t>(size));
    }
    return read_;
  }
  std::string ReadAll() { return ReadUntil("\x01no such thing"); }
  bool connected = false;

 private:
  int socket_;
  std::string read_;
};

std::string PostText(std::string_view path, std::string_view body, std::string_view more = "") {
  return StrCat("POST ", path,
                " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                "\r\n", more, "\r\n", body);
}

std::string Question(std::string_view question, std::string_view more = "") {
  return StrCat(R"({"messages":[{"role":"user","content":")", question, R"("}])", more, "}");
}

class ServerTest : public testing::Test {
 protected:
  void Start(ServerConfig config = {}) {
    config.port = 0;
    auto started = Server::Start(config, "scripted", knowledge_base_);
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    server_ = *std::move(started);
  }
  HttpResponse Get(std::string_view path) { return Send("GET", path, ""); }
  HttpResponse Post(std::string_view path, std::string body) { return Send("POST", path, std::move(body)); }
  HttpResponse Send(std::string method, std::string_view path, std::string body) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = StrCat("http://127.0.0.1:", server_->port(), path);
    if (!body.empty()) request.headers = {{"Content-Type", "application/json"}};
    request.body = std::move(body);
    const Result<HttpResponse> response = client_.Send({}, request);
    EXPECT_TRUE(response.ok()) << response.status().ToString();
    return response.ok() ? *response : HttpResponse{};
  }
  static Json Parsed(const std::string& text) {
    const Result<Json> json = Json::Parse(text);
    EXPECT_TRUE(json.ok()) << text;
    return json.ok() ? *json : Json();
  }
  template <typename Condition>
  static bool Eventually(const Condition& condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  ScriptedKnowledgeBase knowledge_base_;
  HttpClient client_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, ASessionComesFromTheMetadataOrTheHeader) {
  Start();
  EXPECT_EQ(Post("/v1/chat/completions", Question("a")).code, 200);
  EXPECT_EQ(knowledge_base_.last().session, "");
  const std::string named = Question("a", R"(,"user":"li","metadata":{"session":"s-1","other":"x"})");
  EXPECT_EQ(Post("/v1/chat/completions", named).code, 200);
  EXPECT_EQ(knowledge_base_.last().session, "s-1");
  EXPECT_EQ(knowledge_base_.last().owner, "li");
  RawConnection raw(server_->port());
  raw.Write(PostText("/v1/chat/completions", named, "X-Session-Id: s-2\r\nConnection: close\r\n"));
  EXPECT_THAT(raw.ReadAll(), HasSubstr("200 OK"));
  EXPECT_EQ(knowledge_base_.last().session, "s-2");
  const auto refused = [&](const std::string& body, const char* word) {
    const HttpResponse response = Post("/v1/chat/completions", body);
    EXPECT_EQ(response.code, 400) << body;
    EXPECT_THAT(response.body, HasSubstr(word));
  };
  refused(Question("a", R"(,"metadata":"s")"), "metadata");
  refused(Question("a", R"(,"metadata":{"session":7})"), "metadata.session");
  refused(Question("a", R"(,"metadata":{"session":"a b"})"), "metadata.session");
  refused(Question("a", StrCat(R"(,"metadata":{"session":")", std::string(129, 'x'), "\"}")), "128");
}

TEST_F(ServerTest, AnswersWhole) {
  Start();
  const HttpResponse response = Post(
      "/v1/chat/completions",
      R"({"model":"any","user":"li","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},)"
      R"({"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"How"},{"type":"text","text":" long?"}]}]})");
  EXPECT_EQ(response.code, 200);
  const Json json = Parsed(response.body);
  EXPECT_EQ(json["object"].AsString(), "chat.completion");
  EXPECT_EQ(json["model"].AsString(), "any");
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["role"].AsString(), "assistant");
  EXPECT_EQ(choice["message"]["content"].AsString(), "Books are lent for four weeks [1].");
  EXPECT_EQ(choice["finish_reason"].AsString(), "stop");
  EXPECT_EQ(json["usage"]["prompt_tokens"].AsInt(), 100);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"].AsInt(), 60);
  EXPECT_EQ(json["usage"]["total_tokens"].AsInt(), 100 + json["usage"]["completion_tokens"].AsInt());
  EXPECT_EQ(json["citations"][0]["file"].AsString(), "a.md");
  EXPECT_EQ(json["ragtime"]["mode"].AsString(), "generate");
  EXPECT_EQ(json["ragtime"]["warnings"][0]["code"].AsString(), "system_message");
  EXPECT_EQ(json["ragtime"]["warnings"][1]["code"].AsString(), "history");
  EXPECT_EQ(knowledge_base_.last().client, "li");

  const Json cut = Parsed(Post("/v1/chat/completions", Question("x", R"(,"max_tokens":2)")).body);
  EXPECT_EQ(cut["choices"][0]["finish_reason"].AsString(), "length");
  EXPECT_NE(cut["id"].AsString(), json["id"].AsString());
}

TEST_F(ServerTest, StreamsInEvents) {
  Start();
  const HttpResponse response =
      Post("/v1/chat/completions", Question("think", R"(,"stream":true,"stream_options":{"include_usage":true})"));
  EXPECT_EQ(response.code, 200);
  EXPECT_EQ(response.Header("content-type"), "text/event-stream");
  std::vector<std::string> events;
  SseParser parser([&](const SseEvent& event) { events.push_back(event.data); });
  ASSERT_TRUE(parser.Feed(response.body).ok());
  ASSERT_GT(events.size(), 6u);
  EXPECT_EQ(events.back(), "[DONE]");
  std::string text;
  std::string reasoning;
  std::string finish;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const Json event = Parsed(events[i]);
    EXPECT_EQ(event["object"].AsString(), "chat.completion.chunk");
    const Json& choice = event["choices"][0];
    if (i == 0) {
      EXPECT_EQ(choice["delta"]["role"].AsString(), "assistant");
    }
    text += choice["delta"]["content"].AsString();
    reasoning += choice["delta"]["reasoning_content"].AsString();
    if (choice["finish_reason"].is_null()) continue;
    finish = choice["finish_reason"].AsString();
    EXPECT_EQ(event["citations"][0]["quote"].AsString(), "four weeks");
  }
  EXPECT_EQ(text, "Books are lent for four weeks [1].");
  EXPECT_EQ(reasoning, "The user wants to know.");
  EXPECT_EQ(finish, "stop");
  const Json usage = Parsed(events[events.size() - 2]);
  EXPECT_TRUE(usage["choices"].AsArray().empty());
  EXPECT_EQ(usage["usage"]["prompt_tokens_details"]["cached_tokens"].AsInt(), 60);
}

TEST_F(ServerTest, JsonIsAskedForByResponseFormat) {
  Start();
  const auto ask = [this](const char* question, const std::string& more) {
    return Parsed(Post("/v1/chat/completions", Question(question, more)).body)["choices"][0];
  };
  EXPECT_THAT(ask("x", R"(,"response_format":{"type":"text"})")["message"]["content"].AsString(), HasSubstr("Books"));
  EXPECT_EQ(knowledge_base_.last().json_schema, std::nullopt);
  ask("x", R"(,"response_format":{"type":"json_object"})");
  EXPECT_EQ(knowledge_base_.last().json_schema, "");
  ask("x", R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})");
  EXPECT_EQ(knowledge_base_.last().json_schema, R"({"type":"object"})");
  // What was found nowhere is no JSON: a client must not read it as one.
  const Json refused = ask("unknown", R"(,"response_format":{"type":"json_object"})");
  EXPECT_TRUE(refused["message"]["content"].is_null());
  EXPECT_EQ(refused["message"]["refusal"].AsString(), "Nothing was found.");
  const std::string events =
      Post("/v1/chat/completions", Question("unknown", R"(,"stream":true,"response_format":{"type":"json_object"})"))
          .body;
  EXPECT_THAT(events, HasSubstr(R"("refusal":"Nothing was found.")"));
  EXPECT_EQ(ask("unknown", "")["message"]["content"].AsString(), "Nothing was found.");
}

TEST_F(ServerTest, ErrorsNameWhatIsWrong) {
  Start();
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"{", "no JSON"},
      {"[]", "no JSON object"},
      {"{}", "messages"},
      {R"({"messages":[]})", "messages"},
      {R"({"messages":[{"role":"king","content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"x"}]})", "messages[1].role"},
      {R"({"messages":[{"role":"user","content":"  "}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})", "messages[0].content[0]"},
      {Question("x", R"(,"temperature":3)"), "temperature is 3"},
      {Question("x", R"(,"max_tokens":0)"), "max_tokens is 0"},
      {Question("x", R"(,"max_tokens":1.5)"), "max_tokens is 1.5"},
      {Question("x", R"(,"n":2)"), "n is 2"},
      {Question("x", R"(,"stream":"yes")"), "stream is \"yes\""},
      {Question("x", R"(,"tools":[{}])"), "tools"},
      {Question("x", R"(,"stop":"\n")"), "stop"},
      {Question("x", R"(,"response_format":{"type":"xml"})"), "response_format.type is \"xml\""},
      {Question("x", R"(,"response_format":{"type":"json_schema"})"), "response_format.json_schema.schema"},
      {Question("x", R"(,"ragtime":{"route":"north"})"), "ragtime.route"},
      {Question("x", R"(,"ragtime":{"mode":"north"})"), "ragtime.mode"},
      {Question("x", R"(,"ragtime":7)"), "ragtime is 7"}};
  for (const auto& [body, needle] : wrong) {
    const HttpResponse response = Post("/v1/chat/completions", body);
    EXPECT_EQ(response.code, 400) << body;
    const Json error = Parsed(response.body)["error"];
    EXPECT_THAT(error["message"].AsString(), HasSubstr(needle)) << body;
    EXPECT_EQ(error["type"].AsString(), "invalid_request_error");
    EXPECT_EQ(error["code"].AsString(), "invalid_argument");
    EXPECT_FALSE(error["remedy"].AsString().empty()) << body;
  }
  EXPECT_EQ(knowledge_base_.asked, 0);

  const HttpResponse away = Post("/v1/chat/completions", Question("fail"));
  EXPECT_EQ(away.code, 503);
  EXPECT_EQ(Parsed(away.body)["error"]["type"].AsString(), "server_error");
  EXPECT_THAT(away.body, HasSubstr("the model is away; start it"));
  // In a stream too, while nothing has been sent; afterwards as an event.
  EXPECT_EQ(Post("/v1/chat/completions", Question("fail", R"(,"stream":true)")).code, 503);
  const HttpResponse late = Post("/v1/chat/completions", Question("late failure", R"(,"stream":true)"));
  EXPECT_EQ(late.code, 200);
  EXPECT_THAT(late.body, HasSubstr("data: {\"error\":{\"message\":\"the model went away; start it\""));
  EXPECT_THAT(late.body, testing::Not(HasSubstr("[DONE]")));
}

TEST_F(ServerTest, SearchModelsHealth) {
  Start();
  const HttpResponse found = Post("/v1/search", R"({"query":"laser","top_k":3,"route":"keyword"})");
  EXPECT_EQ(found.code, 200);
  EXPECT_EQ(Parsed(found.body)["schema"].AsInt(), 1);
  EXPECT_EQ(Parsed(found.body)["hits"][0]["file"].AsString(), "a.md");
  EXPECT_EQ(Post("/v1/search", R"({"query":"x","filter":"bad"})").code, 400);
  EXPECT_THAT(Post("/v1/search", R"({"query":""})").body, HasSubstr("there is no query"));
  EXPECT_THAT(Post("/v1/search", R"({"query":"x","top_k":1001})").body, HasSubstr("top_k is 1001"));
  EXPECT_EQ(Parsed(Get("/v1/models").body)["data"][0]["id"].AsString(), "scripted");
  EXPECT_EQ(Get("/healthz").code, 200);
  EXPECT_EQ(Get("/readyz").code, 200);
  knowledge_base_.broken = true;
  EXPECT_EQ(Get("/healthz").code, 200);
  EXPECT_EQ(Get("/readyz").code, 503);
}

TEST_F(ServerTest, ReadyWhenTheModelsAreLoaded) {
  Start();
  knowledge_base_.loading = true;
  auto prepared = std::async(std::launch::async, [this] { return server_->Prepare({}); });
  while (knowledge_base_.prepared == 0) std::this_thread::yield();
  const HttpResponse response = Get("/readyz");
  EXPECT_EQ(response.code, 503);
  EXPECT_THAT(response.body, HasSubstr("being loaded"));
  EXPECT_EQ(Get("/healthz").code, 200);
  // Who does not look whether it is ready is answered as well.
  EXPECT_EQ(Post("/v1/chat/completions", Question("How long?")).code, 200);
  knowledge_base_.loading = false;
  EXPECT_TRUE(prepared.get().ok());
  EXPECT_EQ(Get("/readyz").code, 200);
}

TEST_F(ServerTest, LimitsAndOddities) {
  Start({.body_bytes_max = 2000});
  const auto answer_to = [this](std::string_view bytes) {
    RawConnection connection(server_->port());
    connection.Write(bytes);
    return connection.ReadUntil("\r\n\r\n").substr(0, 12);
  };
  EXPECT_EQ(answer_to("this is no HTTP\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(answer_to("GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(answer_to(StrCat("GET / HTTP/1.1\r\nX: ", std::string(20000, 'x'), "\r\n\r\n")), "HTTP/1.1 431");
  EXPECT_EQ(answer_to(PostText("/v1/search", std::string(2001, ' '))), "HTTP/1.1 413");
  EXPECT_EQ(answer_to("POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"), "HTTP/1.1 415");
  EXPECT_EQ(answer_to("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 404");
  EXPECT_EQ(answer_to("GET /healthz HTTP/1.1\r\nHost: evil.example:80\r\n\r\n"), "HTTP/1.1 403");
  EXPECT_EQ(answer_to("GET /healthz?x=1 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "HTTP/1.1 200");
  {
    RawConnection connection(server_->port());
    connection.Write("GET /v1/search HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const std::string reply = connection.ReadUntil("\r\n\r\n");
    EXPECT_THAT(reply, HasSubstr("HTTP/1.1 405"));
    EXPECT_THAT(reply, HasSubstr("Allow: POST"));
  }
  {  // Two requests in one piece are answered in their order.
    RawConnection connection(server_->port());
    connection.Write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" +
                     std::string("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    const std::string reply = connection.ReadAll();
    EXPECT_LT(reply.find("ok\n"), reply.find("\"scripted\"")) << reply;
    EXPECT_NE(reply.find("\"scripted\""), std::string::npos) << reply;
  }
  {  // HTTP/1.0 has no chunks.
    RawConnection connection(server_->port());
    const std::string body = Question("x", R"(,"stream":true)");
    connection.Write(StrCat("POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ",
                            body.size(), "\r\n\r\n", body));
    const std::string reply = connection.ReadAll();
    EXPECT_THAT(reply, testing::EndsWith("\n\ndata: [DONE]\n\n"));
    EXPECT_THAT(reply, testing::Not(HasSubstr("chunked")));
  }
  {  // A body that is asked for first.
    RawConnection connection(server_->port());
    const std::string body = R"({"query":"x"})";
    connection.Write(StrCat("POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
                            "Expect: 100-continue\r\nContent-Length: ", body.size(), "\r\n\r\n"));
    EXPECT_THAT(connection.ReadUntil("\r\n\r\n"), HasSubstr("100 Continue"));
    connection.Write(body);
    EXPECT_THAT(connection.ReadUntil("\"hits\""), HasSubstr("200 OK"));
  }
}

TEST_F(ServerTest, OneTooManyIsToldToComeBack) {
  Start({.requests_max = 2});
  std::vector<std::unique_ptr<RawConnection>> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(std::make_unique<RawConnection>(server_->port()));
    busy.back()->Write(PostText("/v1/chat/completions", Question("endless", R"(,"stream":true,"max_tokens":100000)")));
    busy.back()->ReadUntil("word");
  }
  const HttpResponse refused = Post("/v1/chat/completions", Question("x"));
  EXPECT_EQ(refused.code, 429);
  EXPECT_EQ(refused.Header("retry-after"), "1");
  EXPECT_EQ(Parsed(refused.body)["error"]["type"].AsString(), "rate_limit_error");
  EXPECT_EQ(Get("/healthz").code, 200);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("ragtime_requests_running 2\n"));
  busy.clear();  // Both leave.
  EXPECT_TRUE(Eventually([&] { return knowledge_base_.cancelled + knowledge_base_.ended >= 2; }));
  EXPECT_TRUE(Eventually([&] { return Post("/v1/chat/completions", Question("x")).code == 200; }));
}

TEST_F(ServerTest, WhoLeavesIsNotWorkedFor) {
  Start();
  for (const char* how : {R"(,"stream":true,"max_tokens":100000)", R"(,"max_tokens":100000)"}) {
    const int before = knowledge_base_.ended;
    RawConnection connection(server_->port());
    connection.Write(PostText("/v1/chat/completions", Question("endless", how)));
    ASSERT_TRUE(Eventually([&] { return knowledge_base_.asked == before + 1; }));
    connection.Close();
    EXPECT_TRUE(Eventually([&] { return knowledge_base_.ended == before + 1; })) << how;
  }
}

TEST_F(ServerTest, ARequestHasATimeLimit) {
  Start({.timeout_ms = 150});
  const HttpResponse response = Post("/v1/chat/completions", Question("endless", R"(,"max_tokens":100000)"));
  EXPECT_EQ(response.code, 504);
}

TEST_F(ServerTest, DrainingLetsRequestsFinish) {
  Start();
  knowledge_base_.delay_ms = 50;
  RawConnection idle(server_->port());
  RawConnection busy(server_->port());
  busy.Write(PostText("/v1/chat/completions", Question("x", R"(,"stream":true)")));
  ASSERT_TRUE(Eventually([&] { return knowledge_base_.asked == 1; }));
  const uint16_t port = server_->port();
  EXPECT_TRUE(server_->Drain());
  EXPECT_THAT(busy.ReadAll(), HasSubstr("[DONE]"));
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_FALSE(RawConnection(port).connected);
}

TEST_F(ServerTest, DrainingEndsWhatTakesTooLong) {
  Start({.drain_ms = 50});
  RawConnection busy(server_->port());
  busy.Write(PostText("/v1/chat/completions", Question("endless", R"(,"stream":true,"max_tokens":100000)")));
  ASSERT_TRUE(Eventually([&] { return knowledge_base_.asked == 1; }));
  EXPECT_FALSE(server_->Drain());
  EXPECT_EQ(knowledge_base_.ended, 1);
}

TEST_F(ServerTest, MetricsAreWellFormedAndCount) {
  Start();
  for (int i = 0; i < 3; ++i) Post("/v1/chat/completions", Question("x"));
  Post("/v1/chat/completions", "{}");
  const HttpResponse response = Get("/metrics");
  EXPECT_EQ(response.Header("content-type"), "text/plain; version=0.0.4");
  EXPECT_THAT(response.body, HasSubstr("ragtime_requests_total{path=\"/v1/chat/completions\",code=\"200\"} 3\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_requests_total{path=\"/v1/chat/completions\",code=\"400\"} 1\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_ttft_seconds_count 3\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_tpot_seconds_sum 0.003\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_queue_seconds_bucket{le=\"0.0025\"} 3\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_llm_cached_tokens_total 120\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_threads 4\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_threads_taken{for=\"question\"} 0\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_threads_taken{for=\"answer\"} 3\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_threads_taken{for=\"background\"} 1\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_questions_embedded_total 7\n"));
  EXPECT_THAT(response.body, HasSubstr("ragtime_background_wait_seconds_total 0.5\n"));
  const std::regex line(R"((# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.0-9e]+))");
  std::istringstream lines(response.body);
  for (std::string each; std::getline(lines, each);) EXPECT_TRUE(std::regex_match(each, line)) << each;
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  Start();
  ServerConfig config;
  config.port = server_->port();
  const Status status = Server::Start(config, "scripted", knowledge_base_).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(StrCat("127.0.0.1:", config.port)));
  EXPECT_THAT(status.remedy(), HasSubstr("--port"));
}

TEST_F(ServerTest, ManyClientsComeAndGo) {
  Start({.requests_max = 32});
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < 25; ++i) {
        RawConnection connection(server_->port());
        const bool stream = random() % 2 == 0;
        connection.Write(PostText("/v1/chat/completions", Question("x", stream ? R"(,"stream":true)" : ""),
                                  "Connection: close\r\n"));
        if (random() % 3 == 0) {
          connection.ReadUntil(random() % 2 == 0 ? "HTTP" : "Books");
          continue;  // Leaves.
        }
        const std::string reply = connection.ReadAll();
        const bool whole = reply.find("weeks") != std::string::npos &&
                           reply.find(stream ? "[DONE]" : "finish_reason") != std::string::npos;
        // More than 32 can be under way for a moment, while those that left are noticed.
        EXPECT_TRUE(whole || reply.find(" 429 ") != std::string::npos) << reply;
        answered += whole;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(answered, 50);
  EXPECT_TRUE(
      Eventually([&] { return Get("/metrics").body.find("ragtime_requests_running 0\n") != std::string::npos; }));
  EXPECT_EQ(Post("/v1/chat/completions", Question("x")).code, 200);
}

}  // namespace
}  // namespace ragtime
