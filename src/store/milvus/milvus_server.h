// SPDX-License-Identifier: Apache-2.0
//
// MilvusServer is a CollectionServer over Milvus' gRPC protocol: Milvus Lite, Standalone, Distributed and Zilliz.
//
// Threads: every method may be called concurrently. Ownership: a file as uri starts a Milvus Lite process, which ends
// with the server. Errors: those of MilvusChannel.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_SERVER_H_
#define RAGTIME_STORE_MILVUS_MILVUS_SERVER_H_

#include <memory>
#include <string>
#include <string_view>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "store/collection.h"
#include "store/milvus/milvus_options.h"

namespace ragtime {

class LiteProcess;
class MilvusChannel;

// "./kb", "/data/kb", "milvus.db": neither a scheme nor host:port.
bool IsMilvusPath(std::string_view uri);

class MilvusServer final : public CollectionServer {
 public:
  // Connects when it is first asked something; a path starts its server now.
  static Result<std::unique_ptr<MilvusServer>> Open(const Context& context, const MilvusOptions& options);
  ~MilvusServer() override;

  std::string_view name() const override;
  Result<std::string> Version(const Context& context) override;
  Result<bool> Exists(const Context& context, std::string_view collection) override;
  Result<std::shared_ptr<Collection>> OpenOrMake(const Context& context, const CollectionSpec& spec) override;
  Status Drop(const Context& context, std::string_view collection) override;

 private:
  MilvusServer(std::unique_ptr<LiteProcess> lite, std::shared_ptr<const MilvusChannel> channel);
  Result<bool> IsLite(const Context& context);
  Status Make(const Context& context, const CollectionSpec& spec);
  Status CheckSame(const Context& context, const CollectionSpec& spec);

  const std::unique_ptr<LiteProcess> lite_;  // Null where the server is not ours.
  const std::shared_ptr<const MilvusChannel> channel_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_SERVER_H_
