// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus.h"

#include "base/module.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

#ifdef RAGTIME_MILVUS_MODULE
constexpr char kBuilt[] = RAGTIME_MILVUS_MODULE;
#else
constexpr char kBuilt[] = "";
#endif

}  // namespace

Result<std::unique_ptr<CollectionServer>> OpenMilvus(const Context& context, const MilvusOptions& options) {
  const auto symbol = LoadModuleSymbol("libragtime_milvus.so", kMilvusModuleSymbol, kBuilt);
  if (!symbol.ok()) {
    return UnavailableError(StrCat("the client of Milvus cannot be loaded: ", symbol.status().message()),
                            "install lib/ragtime beside bin/, and gRPC (in Debian 12: apt install libgrpc++1.51)");
  }
  Status status;
  auto* const open = reinterpret_cast<OpenMilvusModule*>(*symbol);
  std::unique_ptr<CollectionServer> server(open(kMilvusModuleInterface, context, options, status));
  if (server == nullptr) return status.ok() ? InternalError("Milvus gave no server") : status;
  return server;
}

}  // namespace ragtime
