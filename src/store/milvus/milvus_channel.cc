// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_channel.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <milvus_proto/common.pb.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <utility>

#include "base/files.h"
#include "base/str_cat.h"
#include "store/milvus/base64.h"

namespace ragtime {
namespace {

namespace proto = milvus::proto::common;

constexpr char kService[] = "/milvus.proto.milvus.MilvusService/";
constexpr int kMessageBytesMax = 512 << 20;
// Of the codes that Milvus documents.
constexpr int kCollectionNotFound = 100;
constexpr int kRateLimited = 8;
constexpr int kServiceNotReady = 1;
constexpr int kInvalidParameter = 1100;

struct Address {
  std::string target;  // "host:port"
  std::string shown;   // "http://host:port"
  bool tls = false;
};

Result<Address> ParseAddress(const std::string& uri) {
  Address address;
  std::string rest = uri;
  if (const size_t scheme = rest.find("://"); scheme != std::string::npos) {
    const std::string name = rest.substr(0, scheme);
    if (name != "http" && name != "https" && name != "tcp" && name != "grpc") {
      return InvalidArgumentError(StrCat("the Milvus uri begins with ", name, "://"),
                                  "write http://host:port, https://host:port, tcp://host:port, or the path of a file");
    }
    address.tls = name == "https";
    rest = rest.substr(scheme + 3);
  }
  if (const size_t at = rest.rfind('@'); at != std::string::npos) {
    return InvalidArgumentError("the Milvus uri holds a user or a password",
                                "give them as user and password, or in the environment");
  }
  rest = rest.substr(0, rest.find_first_of("/?"));
  if (rest.empty() || rest.starts_with(':')) {
    return InvalidArgumentError(StrCat("the Milvus uri has no host: ", uri), "write http://host:port");
  }
  const bool has_port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0) != std::string::npos;
  if (!has_port) rest += address.tls ? ":443" : ":19530";
  address.shown = StrCat(address.tls ? "https://" : "http://", rest);
  address.target = std::move(rest);
  return address;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const MilvusOptions& options, bool tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  const auto read = [](const std::string& file, std::string& to) -> Status {
    if (file.empty()) return Status();
    RAGTIME_ASSIGN_OR_RETURN(to, ReadFile(file, size_t{1} << 20));
    return Status();
  };
  RAGTIME_RETURN_IF_ERROR(read(options.ca_file, ssl.pem_root_certs));
  RAGTIME_RETURN_IF_ERROR(read(options.certificate_file, ssl.pem_cert_chain));
  RAGTIME_RETURN_IF_ERROR(read(options.key_file, ssl.pem_private_key));
  return grpc::SslCredentials(ssl);
}

Status OfGrpc(const grpc::Status& status) {
  if (status.ok()) return Status();
  const std::string message = status.error_message().empty() ? "gRPC error" : status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
      return CancelledError(message);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return DeadlineExceededError(StrCat("no answer in time: ", message), "raise timeout_ms, or look at the server");
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return PermissionDeniedError(message, "check user, password or token");
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ResourceExhaustedError(message);
    case grpc::StatusCode::UNIMPLEMENTED:
      return UnimplementedError(message, "use a newer Milvus");
    case grpc::StatusCode::UNAVAILABLE:
      return UnavailableError(message, "check that the server runs and that the uri is right");
    case grpc::StatusCode::INVALID_ARGUMENT:
      return InvalidArgumentError(message);
    default:
      return InternalError(message);
  }
}

Status OfMilvus(const proto::Status& status) {
  const int code = status.code();
  // Older servers set only the field that is deprecated now.
  const auto* descriptor = proto::Status::descriptor()->FindFieldByName("error_code");
  if (code == 0 && status.GetReflection()->GetEnumValue(status, descriptor) == 0) return Status();
  const std::string message = status.reason().empty() ? StrCat("error ", code) : status.reason();
  if (code == kCollectionNotFound) return NotFoundError(message);
  if (code == kRateLimited) return ResourceExhaustedError(message, "write more slowly, or raise the server's quota");
  if (code == kServiceNotReady || status.retriable()) return UnavailableError(message);
  if (code == kInvalidParameter) return InvalidArgumentError(message);
  return InternalError(message);
}

// The status that an answer of any type holds; null where it has none.
const proto::Status* StatusOf(const google::protobuf::Message& response) {
  if (const auto* status = dynamic_cast<const proto::Status*>(&response)) return status;
  const auto* field = response.GetDescriptor()->FindFieldByName("status");
  if (field == nullptr || field->message_type() != proto::Status::descriptor()) return nullptr;
  return dynamic_cast<const proto::Status*>(&response.GetReflection()->GetMessage(response, field));
}

// The library never prints; whoever sets gRPC's own variable asks for it.
void SilenceGrpc() {
  static const bool once = [] {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) {
      gpr_set_log_verbosity(static_cast<gpr_log_severity>(GPR_LOG_SEVERITY_ERROR + 1));
    }
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

MilvusChannel::~MilvusChannel() = default;

Result<std::unique_ptr<MilvusChannel>> MilvusChannel::Open(const MilvusOptions& options, const std::string& shown) {
  SilenceGrpc();
  RAGTIME_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.uri));
  RAGTIME_ASSIGN_OR_RETURN(const auto credentials, Credentials(options, address.tls));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  // A server that was away is tried again soon: how often is for src/wire to decide.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  auto channel = grpc::CreateCustomChannel(address.target, credentials, arguments);
  return std::unique_ptr<MilvusChannel>(
      new MilvusChannel(options, StrCat("milvus ", shown.empty() ? address.shown : shown), std::move(channel)));
}

Status MilvusChannel::Call(const Context& context, std::string_view method, const google::protobuf::Message& request,
                           google::protobuf::Message& response, std::string_view what) const {
  const std::string path = StrCat(kService, method);
  const std::string where = StrCat(name_, ", ", method, what.empty() ? "" : " of ", what);
  Retry retry(context, options_.retry);
  for (;;) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    response.Clear();
    Status status = CallOnce(context, path, request, response);
    if (status.ok()) {
      const proto::Status* said = StatusOf(response);
      if (said != nullptr) status = OfMilvus(*said);
    }
    if (status.ok()) return status;
    const Status waited = retry.Wait(status.Annotate(where));
    if (!waited.ok()) return waited;
  }
}

Status MilvusChannel::CallOnce(const Context& context, const std::string& path,
                               const google::protobuf::Message& request, google::protobuf::Message& response) const {
  grpc::ClientContext call;
  auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(options_.timeout_ms);
  if (context.deadline) {
    const auto left = *context.deadline - std::chrono::steady_clock::now();
    deadline = std::min(deadline, std::chrono::system_clock::now() +
                                      std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
  }
  call.set_deadline(deadline);
  if (!options_.token.empty()) call.AddMetadata("authorization", Base64(options_.token));
  if (options_.token.empty() && !options_.user.empty()) {
    call.AddMetadata("authorization", Base64(StrCat(options_.user, ":", options_.password)));
  }
  if (!options_.db_name.empty()) call.AddMetadata("dbname", options_.db_name);

  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  grpc::Status result;
  std::string bytes;
  if (!request.SerializeToString(&bytes)) return InternalError("the request could not be written");
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  grpc::GenericStub stub(channel_);
  stub.UnaryCall(&call, path, grpc::StubOptions(), &sent, &received, [&](grpc::Status status) {
    const std::lock_guard lock(mutex);
    result = std::move(status);
    finished = true;
    done.notify_all();
  });
  const std::stop_callback cancel(context.stop, [&call] { call.TryCancel(); });
  std::unique_lock lock(mutex);
  done.wait(lock, [&finished] { return finished; });
  lock.unlock();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_RETURN_IF_ERROR(OfGrpc(result));
  const google::protobuf::LogSilencer silencer;
  grpc::ProtoBufferReader reader(&received);
  if (!reader.status().ok() || !response.ParseFromZeroCopyStream(&reader)) {
    return InternalError("the server's answer is no message of Milvus", "check that the uri names a Milvus server");
  }
  return Status();
}

}  // namespace ragtime
