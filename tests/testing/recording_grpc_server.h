// SPDX-License-Identifier: Apache-2.0
//
// RecordingGrpcServer takes any unary call, remembers it, and answers as it is told: with bytes, an error, late or
// never.
//
// Threads: every method may be called concurrently. Ownership: it stops at its end.
#ifndef RAGTIME_TESTS_TESTING_RECORDING_GRPC_SERVER_H_
#define RAGTIME_TESTS_TESTING_RECORDING_GRPC_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ragtime {

struct RecordedCall {
  std::string method;  // "Search", without the service.
  std::string request;
  std::map<std::string, std::string> metadata;
};

struct GrpcReply {
  int code = 0;  // Of gRPC; 14 is UNAVAILABLE.
  std::string message;
  std::string response;
  bool never = false;  // The call hangs until the client gives up.
};

class RecordingGrpcServer {
 public:
  // In PEM. All empty: no TLS; with an authority, a client must show a certificate of it.
  struct Tls {
    std::string certificate;
    std::string key;
    std::string client_authority;
  };

  // `replies` is asked for each call with its number from 0.
  using Replies = std::function<GrpcReply(size_t number, const RecordedCall& call)>;
  explicit RecordingGrpcServer(Replies replies, const Tls& tls = {});
  ~RecordingGrpcServer();

  int port() const;
  std::vector<RecordedCall> calls() const;

 private:
  class Service;
  class Call;
  std::unique_ptr<Service> service_;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_RECORDING_GRPC_SERVER_H_
