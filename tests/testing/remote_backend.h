// SPDX-License-Identifier: Apache-2.0
//
// The StoreBackend of a real server, which is started for a test on its own folder and ends with it.
#ifndef RAGTIME_TESTS_TESTING_REMOTE_BACKEND_H_
#define RAGTIME_TESTS_TESTING_REMOTE_BACKEND_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/str_cat.h"
#include "testing/store_backends.h"

namespace ragtime {

// `start` starts the server that keeps its data below the folder of the test.
inline StoreBackend RemoteBackend(
    std::string name, std::function<std::shared_ptr<CollectionServer>(const std::filesystem::path& folder)> start) {
  struct Started {
    std::shared_ptr<CollectionServer> server;
    int knowledge_bases = 0;
  };
  auto servers = std::make_shared<std::map<std::filesystem::path, Started>>();
  return {.name = std::move(name),
          .persistent = true,
          .open = [servers, start = std::move(start)](const std::filesystem::path& folder, Metric metric) {
            Started& started = (*servers)[folder];
            if (started.server == nullptr) started.server = start(folder);
            if (!std::filesystem::exists(folder / "kb")) ++started.knowledge_bases;
            std::filesystem::create_directories(folder / "kb");
            RemoteStoreOptions options{.server = started.server,
                                       .name = StrCat("kb", started.knowledge_bases),
                                       .metric = metric,
                                       .indexes = RealIndexes(),
                                       .state_folder = folder / "kb"};
            return std::unique_ptr<Store>(Value(RemoteStore::Open({}, std::move(options), true)));
          }};
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_REMOTE_BACKEND_H_
