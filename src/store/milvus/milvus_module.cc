// SPDX-License-Identifier: Apache-2.0
//
// libragtime_milvus.so: the only code that gRPC and Milvus' messages are linked to.
#include <exception>
#include <filesystem>
#include <utility>

#include "base/str_cat.h"
#include "store/milvus/milvus.h"
#include "store/milvus/milvus_lite_file.h"
#include "store/milvus/milvus_reader.h"
#include "store/milvus/milvus_server.h"

namespace ragtime {
namespace {

// What `open` gives, out of its Result; no exception leaves the library.
template <typename T, typename Open>
T* Opened(uint32_t interface, Status& status, const Open& open) {
  if (interface != kMilvusModuleInterface) {
    status =
        UnavailableError("libragtime_milvus.so is of another version than the program", "install both from one build");
    return nullptr;
  }
  try {
    auto opened = open();
    if (opened.ok()) return (*opened).release();
    status = opened.status();
  } catch (const std::exception& error) {
    status = InternalError(StrCat("the client of Milvus failed: ", error.what()));
  }
  return nullptr;
}

}  // namespace
}  // namespace ragtime

extern "C" __attribute__((visibility("default"))) ragtime::CollectionServer* RagtimeOpenMilvus(
    uint32_t interface, const ragtime::Context& context, const ragtime::MilvusOptions& options,
    ragtime::Status& status) {
  return ragtime::Opened<ragtime::CollectionServer>(interface, status,
                                                    [&] { return ragtime::MilvusServer::Open(context, options); });
}

extern "C" __attribute__((visibility("default"))) ragtime::CollectionReader* RagtimeReadMilvus(
    uint32_t interface, const ragtime::Context& context, const ragtime::MilvusOptions& options,
    const ragtime::ForeignCollection& collection, ragtime::Status& status) {
  return ragtime::Opened<ragtime::CollectionReader>(interface, status, [&] {
    std::error_code error;
    const bool is_file = ragtime::IsMilvusPath(options.uri) && std::filesystem::is_regular_file(options.uri, error);
    return is_file ? ragtime::MilvusLiteFile::Open(options.uri, collection)
                   : ragtime::MilvusReader::Open(context, options, collection);
  });
}
