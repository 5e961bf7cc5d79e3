// SPDX-License-Identifier: Apache-2.0
//
// The StoreBackend of a real Milvus Lite, which is started for a test on its own folder and ends with it.
#ifndef RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_
#define RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_

#include <vector>

#include "store/milvus/milvus.h"
#include "testing/remote_backend.h"

namespace ragtime {

inline std::vector<StoreBackend> MilvusBackends() {
  return {RemoteBackend("MilvusLite", [](const std::filesystem::path& folder) {
    return Value(
        OpenMilvus({}, {.uri = (folder / "milvus").string(), .lite_program = RAGTIME_TEST_SERVERS "/bin/milvus-lite"}));
  })};
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_MILVUS_BACKEND_H_
