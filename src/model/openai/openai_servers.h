// SPDX-License-Identifier: Apache-2.0
//
// OpenAiServers sends requests to one server that speaks OpenAI's protocol, or to the first of several that answers,
// and says in words what is wrong where none does. The generator, the embedder and the reranker share it.
//
// Threads: every method may be called concurrently.
// Errors: kUnavailable (no server, or it fails, is busy, falls silent or breaks off), kPermissionDenied (the key),
// kNotFound (the model or the address), kUnimplemented (it does not embed, or rerank), kResourceExhausted (the text is
// too long for the model), kInvalidArgument (refused request), kFailedPrecondition (what answers is no such server),
// kDataLoss (a malformed answer). What may pass by itself is tried at the next server, and again after a pause. The key
// stands in no message.
#ifndef RAGTIME_MODEL_OPENAI_OPENAI_SERVERS_H_
#define RAGTIME_MODEL_OPENAI_OPENAI_SERVERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/remote_call.h"
#include "wire/request_limit.h"
#include "wire/server_list.h"

namespace ragtime {

struct OpenAiServerOptions {
  std::string section;   // Of the configuration, for remedies: "llm", "embed", "rerank".
  std::string role;      // "language model": what a message calls the server.
  std::string endpoint;  // "/chat/completions": what is asked for below the address.
  std::string base_url;  // "http://127.0.0.1:8000/v1", or several of them with commas between.
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";  // Read at each call; where it is not set, no key is sent.
  size_t requests_max = 32;                    // Under way at once, at all servers together.
  CallPolicy policy;
};

class OpenAiServers {
 public:
  // What one request to one server came to.
  struct Attempt {
    Status status;
    std::optional<int64_t> retry_after_ms;
    bool final = false;  // Neither tried again nor elsewhere, whatever the code.
  };
  // How a call went.
  struct Course {
    double queue_ms = 0;
    size_t server = 0;    // Which one answered.
    std::string warning;  // That an earlier one did not; "": the first did.
  };
  // Sends the request, which is addressed to `server`, and takes in what comes.
  using Send = std::function<Attempt(size_t server, const HttpRequest& request, std::string_view key)>;

  // Reaches for no server. kInvalidArgument: the address or the model is missing or malformed.
  static Result<std::unique_ptr<OpenAiServers>> Create(OpenAiServerOptions options);

  // Waits for a place, then posts `body` as the errors above say. Several servers share the time of the call.
  Status Call(const Context& context, std::string_view client, std::string body, const Send& send, Course& course);
  // The same for an answer that is one JSON object. `read` takes it; its error is tried nowhere else.
  Status Post(const Context& context, std::string body,
              const std::function<Status(size_t server, const Json& answer)>& read, Course& course);

  // What an answer means whose HTTP code is not 200, or which holds an error in place of what was asked for.
  Attempt AttemptOfError(const HttpResponse& head, std::string_view body, std::string_view key) const;
  HttpClient& client() { return client_; }
  size_t size() const { return servers_.size(); }
  // The address without user and password.
  std::string name(size_t server) const { return UrlForMessages(servers_.url(server)); }
  size_t requests_running() const { return limit_.running(); }
  size_t requests_waiting() const { return limit_.waiting(); }

 private:
  OpenAiServers(OpenAiServerOptions options, std::vector<std::string> urls);
  // Tries each server once.
  Attempt Round(const Context& context, int64_t timeout_ms, HttpRequest& request, std::string_view key,
                const Send& send, Course& course);
  Status Probe(const Context& context, size_t server, std::string_view key, int64_t timeout_ms);
  Status StatusOfAnswer(int code, std::string_view location, std::string_view body, std::string_view key) const;
  Status Explain(const Status& status, size_t server) const;
  std::string Key(std::string_view name) const;  // "llm.base_url"

  const OpenAiServerOptions options_;
  ServerList servers_;
  RequestLimit limit_;
  HttpClient client_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_OPENAI_SERVERS_H_
