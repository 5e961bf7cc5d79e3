// SPDX-License-Identifier: Apache-2.0
//
// libragtime_milvus.so: the only code that gRPC and Milvus' messages are linked to.
#include <exception>
#include <utility>

#include "base/str_cat.h"
#include "store/milvus/milvus.h"
#include "store/milvus/milvus_server.h"

extern "C" __attribute__((visibility("default"))) ragtime::CollectionServer* RagtimeOpenMilvus(
    uint32_t interface, const ragtime::Context& context, const ragtime::MilvusOptions& options,
    ragtime::Status& status) {
  if (interface != ragtime::kMilvusModuleInterface) {
    status = ragtime::UnavailableError("libragtime_milvus.so is of another version than the program",
                                       "install both from one build");
    return nullptr;
  }
  try {
    auto server = ragtime::MilvusServer::Open(context, options);
    if (server.ok()) return (*server).release();
    status = server.status();
  } catch (const std::exception& error) {
    status = ragtime::InternalError(ragtime::StrCat("the client of Milvus failed: ", error.what()));
  }
  return nullptr;
}
