// SPDX-License-Identifier: Apache-2.0
//
// The StoreBackend of a real Milvus Lite, which is started for a test on its own folder and ends with it.
#ifndef RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_
#define RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "store/milvus/milvus.h"
#include "testing/store_backends.h"

namespace ragtime {

inline std::vector<StoreBackend> MilvusBackends() {
  struct Started {
    std::shared_ptr<CollectionServer> server;
    int knowledge_bases = 0;
  };
  auto servers = std::make_shared<std::map<std::filesystem::path, Started>>();
  return {
      {.name = "MilvusLite", .persistent = true, .open = [servers](const std::filesystem::path& folder, Metric metric) {
         Started& started = (*servers)[folder];
         if (started.server == nullptr) {
           started.server = Value(OpenMilvus(
               {}, {.uri = (folder / "milvus").string(), .lite_program = RAGTIME_TEST_SERVERS "/bin/milvus-lite"}));
         }
         if (!std::filesystem::exists(folder / "kb")) ++started.knowledge_bases;
         std::filesystem::create_directories(folder / "kb");
         RemoteStoreOptions options{.server = started.server,
                                    .name = StrCat("kb", started.knowledge_bases),
                                    .metric = metric,
                                    .indexes = RealIndexes(),
                                    .state_folder = folder / "kb"};
         return std::unique_ptr<Store>(Value(RemoteStore::Open({}, std::move(options), true)));
       }}};
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_
