// SPDX-License-Identifier: Apache-2.0
//
// ScriptedHttpServer is a real HTTP/1.1 server on 127.0.0.1 whose every byte a test decides: answers, drops, stalls,
// garbage.
//
// Threads: a script runs on the connection's own thread; every method may be called concurrently.
// Ownership: the destructor closes all connections and joins their threads.
#ifndef RAGTIME_TESTING_SCRIPTED_HTTP_SERVER_H_
#define RAGTIME_TESTING_SCRIPTED_HTTP_SERVER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace ragtime {

class ScriptedHttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // "/v1/chat/completions"
    std::map<std::string, std::string> headers;  // Names in lower case.
    std::string body;
  };

  // One request's connection, as the script sees it.
  class Reply {
   public:
    Reply(ScriptedHttpServer& server, int socket) : server_(server), socket_(socket) {}
    // Raw bytes. False if the client has gone.
    bool Send(std::string_view bytes);
    // A whole answer with Content-Length; the connection stays open.
    void SendAnswer(int code, std::string_view body, std::string_view content_type = "application/json",
                    std::string_view more_headers = "");
    // The head of a chunked event stream, then its pieces, then its end.
    void StartEventStream();
    bool SendChunk(std::string_view bytes);
    bool SendEvent(std::string_view data);  // "data: ...\n\n" in a chunk of its own.
    void EndStream();
    // Ended early by the server's destructor.
    void Sleep(int64_t duration_ms);
    // Until the client closes, or the server is destroyed.
    void WaitForClientToLeave();
    // The connection is closed when the script returns; `reset`: with a TCP reset.
    void Close(bool reset = false);

   private:
    friend class ScriptedHttpServer;
    ScriptedHttpServer& server_;
    const int socket_;
    bool close_ = false;
  };

  using Script = std::function<void(const Request& request, Reply& reply)>;

  // `scripts` answer the first requests in order; the last one answers all further requests.
  explicit ScriptedHttpServer(std::vector<Script> scripts);
  explicit ScriptedHttpServer(Script script);
  ScriptedHttpServer(const ScriptedHttpServer&) = delete;
  ScriptedHttpServer& operator=(const ScriptedHttpServer&) = delete;
  ~ScriptedHttpServer();

  int port() const { return port_; }
  std::string url(std::string_view path = "") const;  // "http://127.0.0.1:PORT" + path
  std::vector<Request> requests() const;
  size_t connections() const;

  // A port of 127.0.0.1 where nothing listens.
  static int UnusedPort();

 private:
  void Accept();
  void Serve(int socket);
  bool ReadRequest(int socket, std::string& buffer, Request& request);

  const std::vector<Script> scripts_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;             // Guarded by mutex_.
  std::vector<Request> requests_;     // Guarded by mutex_.
  std::vector<int> sockets_;          // Guarded by mutex_; -1: closed.
  std::vector<std::thread> threads_;  // Guarded by mutex_.
  std::thread acceptor_;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTING_SCRIPTED_HTTP_SERVER_H_
