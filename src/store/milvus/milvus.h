// SPDX-License-Identifier: Apache-2.0
//
// Opens a Milvus server. gRPC is not linked but loaded at the first use, from libragtime_milvus.so beside the program:
// its 50 libraries and the descriptors of the messages cost every start 12 to 27 ms, and only Milvus needs them.
//
// Threads: may be called from any. Errors: kUnavailable where the library is missing; else those of MilvusServer::Open
// and of CollectionReader.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_H_
#define RAGTIME_STORE_MILVUS_MILVUS_H_

#include <cstdint>
#include <memory>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "store/collection.h"
#include "store/collection_reader.h"
#include "store/milvus/milvus_options.h"

namespace ragtime {

// Connects when it is first asked something; a path starts its server now.
Result<std::unique_ptr<CollectionServer>> OpenMilvus(const Context& context, const MilvusOptions& options);

// Opens a collection that another program has made: of a server, of a folder of Milvus Lite 3.x, or of a file of
// Milvus Lite 2.x.
Result<std::unique_ptr<CollectionReader>> ReadMilvus(const Context& context, const MilvusOptions& options,
                                                     const ForeignCollection& collection);

// The symbols of libragtime_milvus.so. `interface` is kMilvusModuleInterface of the caller; a library of another
// build refuses. Null and a status on failure; the caller owns the server or reader.
inline constexpr uint32_t kMilvusModuleInterface = 2;
inline constexpr char kMilvusModuleSymbol[] = "RagtimeOpenMilvus";
using OpenMilvusModule = CollectionServer*(uint32_t interface, const Context& context, const MilvusOptions& options,
                                           Status& status);
inline constexpr char kMilvusReaderSymbol[] = "RagtimeReadMilvus";
using ReadMilvusModule = CollectionReader*(uint32_t interface, const Context& context, const MilvusOptions& options,
                                           const ForeignCollection& collection, Status& status);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_H_
