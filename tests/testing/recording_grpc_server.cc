// SPDX-License-Identifier: Apache-2.0
#include "testing/recording_grpc_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace ragtime {
namespace {

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

class RecordingGrpcServer::Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(RecordingGrpcServer::Service& service, grpc::GenericCallbackServerContext& context);
  void OnReadDone(bool ok) override;
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  // A call may be cancelled while it is answered, and is ended once.
  void End(const grpc::Status& status) {
    if (!ended_.test_and_set()) Finish(status);
  }

  RecordingGrpcServer::Service& service_;
  RecordedCall call_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::atomic_flag ended_;
};

class RecordingGrpcServer::Service final : public grpc::CallbackGenericService {
 public:
  Service(Replies replies, const Tls& tls) : replies_(std::move(replies)) {
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (!tls.certificate.empty()) {
      grpc::SslServerCredentialsOptions options(tls.client_authority.empty()
                                                    ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                    : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
      options.pem_key_cert_pairs.push_back({tls.key, tls.certificate});
      options.pem_root_certs = tls.client_authority;
      credentials = grpc::SslServerCredentials(options);
    }
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) throw std::runtime_error("the recording gRPC server does not start");
  }
  ~Service() override { server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100)); }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Call(*this, *context);
  }
  GrpcReply Take(RecordedCall call) {
    std::unique_lock lock(mutex_);
    const size_t number = calls_.size();
    calls_.push_back(std::move(call));
    const RecordedCall taken = calls_.back();
    lock.unlock();
    return replies_(number, taken);
  }
  std::vector<RecordedCall> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  int port() const { return port_; }

 private:
  const Replies replies_;
  mutable std::mutex mutex_;
  std::vector<RecordedCall> calls_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

RecordingGrpcServer::Call::Call(RecordingGrpcServer::Service& service, grpc::GenericCallbackServerContext& context)
    : service_(service) {
  call_.method = context.method().substr(context.method().rfind('/') + 1);
  for (const auto& [key, value] : context.client_metadata()) {
    call_.metadata[std::string(key.data(), key.size())] = std::string(value.data(), value.size());
  }
  StartRead(&request_);
}

void RecordingGrpcServer::Call::OnReadDone(bool ok) {
  if (!ok) return End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no request"));
  call_.request = BytesOf(request_);
  const GrpcReply reply = service_.Take(std::move(call_));
  if (reply.never) return;
  if (reply.code != 0) return End(grpc::Status(static_cast<grpc::StatusCode>(reply.code), reply.message));
  const grpc::Slice slice(reply.response);
  response_ = grpc::ByteBuffer(&slice, 1);
  if (!ended_.test_and_set()) StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
}

RecordingGrpcServer::RecordingGrpcServer(Replies replies, const Tls& tls)
    : service_(std::make_unique<Service>(std::move(replies), tls)) {}

RecordingGrpcServer::~RecordingGrpcServer() = default;

int RecordingGrpcServer::port() const { return service_->port(); }

std::vector<RecordedCall> RecordingGrpcServer::calls() const { return service_->calls(); }

}  // namespace ragtime
