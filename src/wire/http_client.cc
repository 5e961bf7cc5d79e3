// SPDX-License-Identifier: Apache-2.0
#include "wire/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "base/str_cat.h"

namespace ragtime {
namespace {

using Clock = std::chrono::steady_clock;

// OpenSSL writes to sockets without MSG_NOSIGNAL. A library must neither die of SIGPIPE nor install a handler in its
// host, so the signal is blocked on this thread for as long as curl runs and taken back if it came.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;
  ~SigpipeBlock() {
    sigset_t pending;
    sigpending(&pending);
    if (!was_pending_ && sigismember(&pending, SIGPIPE) == 1) {
      const timespec no_wait = {};
      sigtimedwait(&pipe_, nullptr, &no_wait);
    }
    pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  bool was_pending_ = false;
  sigset_t pipe_;
  sigset_t old_;
};

std::string_view Trim(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
}

// A proxy of the environment is honoured, but never stands between this machine and itself.
std::string NoProxyList() {
  std::string list = "localhost,127.0.0.1,::1";
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    if (std::string_view(value) == "*") return value;
    return StrCat(list, ",", value);
  }
  return list;
}

Status CurlError(CURLcode code, const char* detail, const HttpRequest& request) {
  const std::string url = UrlForMessages(request.url);
  const std::string_view why = *detail != '\0' ? std::string_view(detail) : curl_easy_strerror(code);
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return UnavailableError(StrCat("what answers at ", url, " does not speak HTTP"), "correct the address");
    case CURLE_URL_MALFORMAT:
      return InvalidArgumentError(StrCat("this is no http or https address: ", url),
                                  "write it as http://host:port/path");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return UnavailableError(StrCat("the host name cannot be resolved: ", url), "check the address and the network");
    case CURLE_COULDNT_CONNECT:
      return UnavailableError(StrCat("nothing can be reached at ", url), "start the server or correct the address");
    case CURLE_OPERATION_TIMEDOUT:
      return UnavailableError(StrCat("no connection to ", url, " within ", request.connect_timeout_ms, " ms"),
                              "start the server or correct the address");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return FailedPreconditionError(StrCat("the certificate of ", url, " is not trusted: ", why),
                                     "install the certificate of its authority on this machine");
    case CURLE_SSL_CONNECT_ERROR:
      return FailedPreconditionError(StrCat("no TLS connection to ", url, ": ", why),
                                     "check whether the server speaks https at this address");
    case CURLE_OUT_OF_MEMORY:
      return ResourceExhaustedError(StrCat("no memory for the request to ", url));
    default:
      return UnavailableError(StrCat("the connection to ", url, " broke: ", why), "check the server and the network");
  }
}

// One request under way: what curl's callbacks fill and ask.
struct Transfer {
  const HttpRequest* request = nullptr;
  const HttpClient::OnBody* on_body = nullptr;
  HttpResponse response;
  Clock::time_point last_activity = Clock::now();
  bool stopped = false;  // By on_body.
  bool too_large = false;
  bool headers_too_large = false;
  size_t headers_size_bytes = 0;
};

size_t TakeHeader(char* data, size_t size, size_t count, void* user) {
  constexpr size_t kHeadersBytesMax = 256 << 10;
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.last_activity = Clock::now();
  const std::string_view line = Trim({data, size * count});
  transfer.headers_size_bytes += size * count;
  if (transfer.headers_size_bytes > kHeadersBytesMax) {
    transfer.headers_too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    // A new head begins: of the answer after "100 Continue" or after a proxy's.
    transfer.response.headers.clear();
    const size_t space = line.find(' ');
    transfer.response.code =
        space == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(space + 1)).c_str());
    return size * count;
  }
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name(Trim(line.substr(0, colon)));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    transfer.response.headers.emplace_back(std::move(name), Trim(line.substr(colon + 1)));
  }
  return size * count;
}

size_t TakeBody(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  transfer.last_activity = Clock::now();
  const std::string_view bytes(data, size * count);
  if (*transfer.on_body) {
    if ((*transfer.on_body)(transfer.response, bytes)) return bytes.size();
    transfer.stopped = true;
    return CURL_WRITEFUNC_ERROR;
  }
  if (transfer.response.body.size() + bytes.size() > transfer.request->body_size_bytes_max) {
    transfer.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.response.body += bytes;
  return bytes.size();
}

struct FreeSlist {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeSlist>;

HeaderList ToCurl(const HttpHeaders& headers) {
  // Without "Expect:" curl holds a body of more than 1 MiB back until the server agrees or a second has passed.
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : headers) {
    // A line break inside would smuggle in another header.
    std::string line = StrCat(name, ": ", value);
    std::erase_if(line, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    list = curl_slist_append(list, line.c_str());
  }
  return HeaderList(list);
}

}  // namespace

// A curl handle and the multi handle that owns its connections. Used by one request at a time.
class HttpClient::Session {
 public:
  Session() : multi_(curl_multi_init()), easy_(curl_easy_init()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (easy_ != nullptr) curl_easy_cleanup(easy_);
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
  }

  bool usable() const { return multi_ != nullptr && easy_ != nullptr; }

  Result<HttpResponse> Run(const Context& context, const HttpRequest& request, const OnBody& on_body) {
    Transfer transfer;
    transfer.request = &request;
    transfer.on_body = &on_body;
    char detail[CURL_ERROR_SIZE] = "";
    const HeaderList headers = ToCurl(request.headers);
    SetOptions(request, headers.get(), transfer, detail);
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) return InternalError("curl takes no further request");
    Status status;
    {
      const std::stop_callback wake(context.stop, [this] { curl_multi_wakeup(multi_); });
      status = Drive(context, request, transfer, detail);
    }
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_reset(easy_);
    if (!status.ok()) return status;
    return std::move(transfer.response);
  }

 private:
  void SetOptions(const HttpRequest& request, curl_slist* headers, Transfer& transfer, char* detail) {
    curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy_, CURLOPT_NOPROXY, NoProxyList().c_str());
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, "ragtime");
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout_ms));
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &TakeHeader);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &TakeBody);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &transfer);
    if (request.method != "GET" || !request.body.empty()) {
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.data());
      curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  // Runs the transfer to its end, or to the first of: cancelled, a deadline, silence.
  Status Drive(const Context& context, const HttpRequest& request, Transfer& transfer, const char* detail) {
    const Clock::time_point start = Clock::now();
    std::optional<Clock::time_point> total_end;
    if (request.total_timeout_ms > 0) total_end = start + std::chrono::milliseconds(request.total_timeout_ms);
    while (true) {
      int running = 0;
      if (curl_multi_perform(multi_, &running) != CURLM_OK) return InternalError("curl cannot go on with a request");
      if (running == 0) return Outcome(request, transfer, detail);
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const Clock::time_point now = Clock::now();
      Clock::time_point wake_at = now + std::chrono::seconds(1);
      if (context.deadline) wake_at = std::min(wake_at, *context.deadline);
      if (total_end) {
        if (now >= *total_end) {
          return DeadlineExceededError(StrCat("no complete answer from ", UrlForMessages(request.url), " within ",
                                              request.total_timeout_ms, " ms"),
                                       "raise the timeout or ask for less");
        }
        wake_at = std::min(wake_at, *total_end);
      }
      if (request.idle_timeout_ms > 0) {
        const auto idle_end = transfer.last_activity + std::chrono::milliseconds(request.idle_timeout_ms);
        if (now >= idle_end) {
          return UnavailableError(
              StrCat(UrlForMessages(request.url), " has sent nothing for ", request.idle_timeout_ms, " ms"),
              "check the server or raise the timeout");
        }
        wake_at = std::min(wake_at, idle_end);
      }
      const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wake_at - now).count();
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::max<int64_t>(wait_ms, 1)), nullptr);
    }
  }

  Status Outcome(const HttpRequest& request, const Transfer& transfer, const char* detail) {
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (message == nullptr) return InternalError("curl lost a request");
    if (transfer.stopped || message->data.result == CURLE_OK) return Status();
    if (transfer.headers_too_large) {
      return ResourceExhaustedError(StrCat("the headers that ", UrlForMessages(request.url), " sends have no end"));
    }
    if (transfer.too_large) {
      return ResourceExhaustedError(StrCat("the answer of ", UrlForMessages(request.url), " is larger than ",
                                           request.body_size_bytes_max, " bytes"));
    }
    return CurlError(message->data.result, detail, request);
  }

  CURLM* const multi_;
  CURL* const easy_;
};

class HttpClient::SessionPool {
 public:
  std::unique_ptr<Session> Take() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Session>();
    std::unique_ptr<Session> session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }
  void Return(std::unique_ptr<Session> session) {
    constexpr size_t kIdleMax = 16;
    std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(session));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;  // Guarded by mutex_.
};

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string UrlForMessages(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t host_end = std::min(url.find('/', host), url.size());
  const size_t at = url.substr(host, host_end - host).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return StrCat(url.substr(0, host), url.substr(host + at + 1));
}

HttpClient::HttpClient() : sessions_(std::make_unique<SessionPool>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpClient::~HttpClient() {
  const SigpipeBlock block;  // Closing a TLS connection writes to it.
  sessions_.reset();
}

Result<HttpResponse> HttpClient::Send(const Context& context, const HttpRequest& request, const OnBody& on_body) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return InvalidArgumentError(StrCat("this is no http or https address: ", UrlForMessages(request.url)),
                                "write it as http://host:port/path");
  }
  const SigpipeBlock block;
  std::unique_ptr<Session> session = sessions_->Take();
  if (!session->usable()) return ResourceExhaustedError("there is no memory for a connection");
  Result<HttpResponse> response = session->Run(context, request, on_body);
  sessions_->Return(std::move(session));
  return response;
}

}  // namespace ragtime
