// SPDX-License-Identifier: Apache-2.0
//
// MilvusChannel is a connection to one Milvus server: it sends requests, waits for their answers within deadlines,
// tries again what may pass, and makes a Status of what the server or gRPC says.
//
// Threads: every method may be called concurrently; calls share connections.
// Errors: name the server and the operation, never a password or token.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_CHANNEL_H_
#define RAGTIME_STORE_MILVUS_MILVUS_CHANNEL_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "store/milvus/milvus_options.h"
#include "wire/retry.h"

namespace grpc {
class Channel;
}

namespace ragtime {

class MilvusChannel {
 public:
  // `shown` is what messages call the server; "": its address.
  static Result<std::unique_ptr<MilvusChannel>> Open(const MilvusOptions& options, const std::string& shown = "");
  MilvusChannel(const MilvusChannel&) = delete;
  MilvusChannel& operator=(const MilvusChannel&) = delete;
  ~MilvusChannel();

  const std::string& name() const { return name_; }  // "milvus http://127.0.0.1:19530"
  const MilvusOptions& options() const { return options_; }

  // Calls a method of milvus.proto.milvus.MilvusService and takes the status out of the answer, which has it as its
  // field `status` or is one. `what` names the thing in messages: "the collection kb_nodes".
  Status Call(const Context& context, std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response, std::string_view what) const;

 private:
  MilvusChannel(const MilvusOptions& options, std::string name, std::shared_ptr<grpc::Channel> channel)
      : options_(options), name_(std::move(name)), channel_(std::move(channel)) {}
  Status CallOnce(const Context& context, const std::string& path, const google::protobuf::Message& request,
                  google::protobuf::Message& response) const;

  const MilvusOptions options_;
  const std::string name_;
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_CHANNEL_H_
