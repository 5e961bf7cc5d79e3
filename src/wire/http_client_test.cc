// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a server does, a request ends in its answer or in one clear Status, in time, and the client stays
// usable.
#include "wire/http_client.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "testing/scripted_http_server.h"

namespace ragtime {
namespace {

using Request = ScriptedHttpServer::Request;
using Reply = ScriptedHttpServer::Reply;

HttpRequest Get(std::string url) { return {.url = std::move(url), .connect_timeout_ms = 2000}; }

TEST(HttpClientTest, SendsAndReceives) {
  ScriptedHttpServer server(
      [](const Request&, Reply& reply) { reply.SendAnswer(404, "{\"x\":1}", "application/json", "X-Two:  a b \r\n"); });
  HttpClient client;
  HttpRequest request = Get(server.url("/a/b?c=d"));
  request.method = "POST";
  request.headers = {{"Authorization", "Bearer k"}, {"X-Split", "a\r\nInjected: yes"}};
  request.body = std::string("body\0with zero", 14);
  const Result<HttpResponse> response = client.Send({}, request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->code, 404);
  EXPECT_EQ(response->body, "{\"x\":1}");
  EXPECT_EQ(response->Header("x-two"), "a b");
  EXPECT_EQ(response->Header("none"), "");
  const Request seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/a/b?c=d");
  EXPECT_EQ(seen.body, request.body);
  EXPECT_EQ(seen.headers.at("authorization"), "Bearer k");
  EXPECT_EQ(seen.headers.count("injected"), 0u);
  EXPECT_EQ(seen.headers.count("expect"), 0u);
}

TEST(HttpClientTest, UsesAConnectionAgain) {
  ScriptedHttpServer server([](const Request&, Reply& reply) { reply.SendAnswer(200, "ok"); });
  HttpClient client;
  for (int i = 0; i < 5; ++i) {
    HttpRequest request = Get(server.url());
    if (i % 2 == 1) {
      request.method = "POST";
      request.body = "x";
    }
    ASSERT_TRUE(client.Send({}, request).ok());
  }
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(server.requests()[1].method, "POST");
  EXPECT_EQ(server.requests()[2].method, "GET");
  EXPECT_EQ(server.requests()[2].body, "");
}

TEST(HttpClientTest, StreamsTheBodyAsItComes) {
  std::promise<void> first_seen;
  std::shared_future<void> seen = first_seen.get_future().share();
  ScriptedHttpServer server([&](const Request&, Reply& reply) {
    reply.StartEventStream();
    reply.SendChunk("first");
    seen.wait_for(std::chrono::seconds(10));  // The second piece waits until the first has been read.
    reply.SendChunk("second");
    reply.EndStream();
  });
  HttpClient client;
  std::string body;
  const Result<HttpResponse> response =
      client.Send({}, Get(server.url()), [&](const HttpResponse& head, std::string_view bytes) {
        EXPECT_EQ(head.code, 200);
        EXPECT_EQ(head.Header("content-type"), "text/event-stream");
        if (body.empty()) first_seen.set_value();
        body += bytes;
        return true;
      });
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(body, "firstsecond");
  EXPECT_EQ(response->body, "");
}

TEST(HttpClientTest, TheReceiverMayStop) {
  ScriptedHttpServer server([](const Request&, Reply& reply) {
    reply.StartEventStream();
    while (reply.SendChunk("more")) {
    }
  });
  HttpClient client;
  int pieces = 0;
  const Result<HttpResponse> response =
      client.Send({}, Get(server.url()), [&](const HttpResponse&, std::string_view) { return ++pieces < 2; });
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->code, 200);
  EXPECT_EQ(pieces, 2);
}

TEST(HttpClientTest, CancellingAndDeadlinesEndASilentTransferAtOnce) {
  ScriptedHttpServer server([](const Request&, Reply& reply) {
    reply.StartEventStream();
    reply.WaitForClientToLeave();
  });
  HttpClient client;
  std::stop_source source;
  Context context;
  context.stop = source.get_token();
  const Stopwatch stopwatch;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request_stop();
  });
  EXPECT_EQ(client.Send(context, Get(server.url())).status().code(), StatusCode::kCancelled);
  EXPECT_LT(stopwatch.ElapsedMs(), 700);  // Well under the second that curl itself would take to look up.

  Context late;
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_EQ(client.Send(late, Get(server.url())).status().code(), StatusCode::kDeadlineExceeded);
  late.deadline = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Send(late, Get(server.url())).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(HttpClientTest, TimeoutsNameTheirLength) {
  ScriptedHttpServer server([](const Request& request, Reply& reply) {
    if (request.target == "/drip") {
      reply.Send("HTTP/1.1 200 OK\r\nX-Slow: ");
      for (int i = 0; i < 500 && reply.Send("x"); ++i) reply.Sleep(20);
    }
    reply.WaitForClientToLeave();
  });
  HttpClient client;
  HttpRequest request = Get(server.url("/silent"));
  request.idle_timeout_ms = 60;
  const Status idle = client.Send({}, request).status();
  EXPECT_EQ(idle.code(), StatusCode::kUnavailable);
  EXPECT_NE(idle.message().find("sent nothing for 60 ms"), std::string::npos) << idle.ToString();
  request = Get(server.url("/drip"));
  request.total_timeout_ms = 100;
  const Status total = client.Send({}, request).status();
  EXPECT_EQ(total.code(), StatusCode::kDeadlineExceeded);
  EXPECT_NE(total.message().find("within 100 ms"), std::string::npos) << total.ToString();
}

TEST(HttpClientTest, BrokenServersAreUnavailable) {
  ScriptedHttpServer server([](const Request& request, Reply& reply) {
    if (request.target == "/cut") reply.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    if (request.target == "/reset") reply.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    if (request.target == "/chunks") reply.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    if (request.target == "/garbage") reply.Send("\x01\x02\x03 nonsense\r\n\r\n");
    if (request.target == "/badchunk") reply.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab");
    reply.Close(request.target == "/reset");
  });
  HttpClient client;
  for (const char* path : {"/cut", "/reset", "/chunks", "/garbage", "/badchunk", "/nothing"}) {
    const Result<HttpResponse> response = client.Send({}, Get(server.url(path)));
    ASSERT_FALSE(response.ok()) << path;
    EXPECT_EQ(response.status().code(), StatusCode::kUnavailable) << path << response.status().ToString();
    EXPECT_NE(response.status().message().find(server.url(path)), std::string::npos) << response.status().ToString();
    EXPECT_FALSE(response.status().remedy().empty());
  }
}

TEST(HttpClientTest, AddressesThatLeadNowhere) {
  HttpClient client;
  const std::string dead = StrCat("http://127.0.0.1:", ScriptedHttpServer::UnusedPort());
  const Status refused = client.Send({}, Get(dead)).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable);
  EXPECT_EQ(refused.message(), "nothing can be reached at " + dead);
  EXPECT_EQ(client.Send({}, Get("ftp://127.0.0.1/x")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client.Send({}, Get("file:///etc/passwd")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client.Send({}, Get("http://")).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client.Send({}, Get("http://name.invalid/")).status().code(), StatusCode::kUnavailable);
}

TEST(HttpClientTest, RedirectsAreNotFollowed) {
  ScriptedHttpServer other([](const Request&, Reply& reply) { reply.SendAnswer(200, "stolen"); });
  ScriptedHttpServer server([&](const Request&, Reply& reply) {
    reply.SendAnswer(302, "", "text/plain", StrCat("Location: ", other.url(), "\r\n"));
  });
  HttpClient client;
  const Result<HttpResponse> response = client.Send({}, Get(server.url()));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->code, 302);
  EXPECT_TRUE(other.requests().empty());
}

TEST(HttpClientTest, BodiesAndHeadersHaveLimits) {
  ScriptedHttpServer server([](const Request& request, Reply& reply) {
    if (request.target == "/headers") {
      reply.Send("HTTP/1.1 200 OK\r\n");
      while (reply.Send(StrCat("X-Long: ", std::string(1000, 'x'), "\r\n"))) {
      }
    } else {
      reply.SendAnswer(200, std::string(1000, 'x'));
    }
  });
  HttpClient client;
  HttpRequest request = Get(server.url());
  request.body_size_bytes_max = 999;
  EXPECT_EQ(client.Send({}, request).status().code(), StatusCode::kResourceExhausted);
  request.body_size_bytes_max = 1000;
  EXPECT_TRUE(client.Send({}, request).ok());
  EXPECT_FALSE(client.Send({}, Get(server.url("/headers"))).ok());
}

TEST(HttpClientTest, ManyThreadsShareOneClient) {
  ScriptedHttpServer server([](const Request& request, Reply& reply) { reply.SendAnswer(200, request.target); });
  HttpClient client;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = StrCat("/", t, "/", i);
        const Result<HttpResponse> response = client.Send({}, Get(server.url(path)));
        if (response.ok() && response->body == path) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
  EXPECT_LE(server.connections(), 8u);
}

TEST(HttpClientTest, MessagesHoldNoSecrets) {
  EXPECT_EQ(UrlForMessages("https://user:secret@host:8000/v1?key=secret#x"), "https://host:8000/v1");
  EXPECT_EQ(UrlForMessages("http://host/a@b"), "http://host/a@b");
  EXPECT_EQ(UrlForMessages("host"), "host");
  HttpClient client;
  HttpRequest request = Get(StrCat("http://user:secret@127.0.0.1:", ScriptedHttpServer::UnusedPort(), "/?key=secret"));
  request.headers = {{"Authorization", "Bearer secret"}};
  request.body = "secret";
  EXPECT_EQ(client.Send({}, request).status().ToString().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace ragtime
