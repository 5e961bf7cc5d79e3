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

Result<void*> Load(const char* name) {
  const auto symbol = LoadModuleSymbol("libragtime_milvus.so", name, kBuilt);
  if (symbol.ok()) return *symbol;
  return UnavailableError(StrCat("the client of Milvus cannot be loaded: ", symbol.status().message()),
                          "install lib/ragtime beside bin/, and gRPC (in Debian 12: apt install libgrpc++1.51)");
}

}  // namespace

Result<std::unique_ptr<CollectionServer>> OpenMilvus(const Context& context, const MilvusOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(void* const symbol, Load(kMilvusModuleSymbol));
  Status status;
  auto* const open = reinterpret_cast<OpenMilvusModule*>(symbol);
  std::unique_ptr<CollectionServer> server(open(kMilvusModuleInterface, context, options, status));
  if (server == nullptr) return status.ok() ? InternalError("Milvus gave no server") : status;
  return server;
}

Result<std::unique_ptr<CollectionReader>> ReadMilvus(const Context& context, const MilvusOptions& options,
                                                     const ForeignCollection& collection) {
  RAGTIME_ASSIGN_OR_RETURN(void* const symbol, Load(kMilvusReaderSymbol));
  Status status;
  auto* const read = reinterpret_cast<ReadMilvusModule*>(symbol);
  std::unique_ptr<CollectionReader> reader(read(kMilvusModuleInterface, context, options, collection, status));
  if (reader == nullptr) return status.ok() ? InternalError("Milvus gave no reader") : status;
  return reader;
}

}  // namespace ragtime
