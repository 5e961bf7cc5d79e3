// SPDX-License-Identifier: Apache-2.0
//
// The StoreBackend of a real Chroma server, which is started for a test on its own folder and ends with it.
#ifndef RAGTIME_TESTS_TESTING_CHROMA_BACKEND_H_
#define RAGTIME_TESTS_TESTING_CHROMA_BACKEND_H_

#include <string>
#include <vector>

#include "base/str_cat.h"
#include "store/chroma/chroma_server.h"
#include "testing/remote_backend.h"

namespace ragtime {

// The program that tools/setup.sh --dev installs.
inline std::string ChromaCommand() { return StrCat(RAGTIME_TEST_SERVERS, "/bin/chroma"); }

inline std::vector<StoreBackend> ChromaBackends() {
  return {RemoteBackend("Chroma", [](const std::filesystem::path& folder) {
    return Value(ChromaServer::Connect({}, {.uri = (folder / "chroma").string(), .command = ChromaCommand()}));
  })};
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_CHROMA_BACKEND_H_
