// SPDX-License-Identifier: Apache-2.0
#include "recorded_store.h"

#include <utility>

#include "engine/builtin.h"
#include "engine/recorded.h"

namespace ragtime {

Result<std::unique_ptr<Store>> MakeRecordedStore(const std::string& folder, const std::string& model,
                                                 std::vector<FieldSpec> fields) {
  Config config;
  config.store.uri = folder;
  config.embed.model = model;
  RAGTIME_ASSIGN_OR_RETURN(const auto embedder, MakeEmbedder(config));
  RAGTIME_ASSIGN_OR_RETURN(auto store, MakeStore(config, /*create=*/true));
  RAGTIME_RETURN_IF_ERROR(store->BeginWrite(0));
  const Recorded recorded{.root = "/nowhere",
                          .model = embedder->info().model,
                          .fingerprint = embedder->info().fingerprint,
                          .split_size_tokens = config.split.size_tokens,
                          .split_overlap_tokens = config.split.overlap_tokens};
  const auto committed = store->Commit(
      Context{}, {.documents = {}, .erased = {}, .settings = recorded.ToSettings(), .fields = std::move(fields)});
  if (!committed.ok()) return committed.status();
  return store;
}

}  // namespace ragtime
