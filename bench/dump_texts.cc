// SPDX-License-Identifier: Apache-2.0
//
// Prints the texts of all nodes of a knowledge base as one JSON array: dump_texts FOLDER. So peers get the same texts.
#include <cstdio>

#include "engine/builtin.h"
#include "wire/json.h"

namespace ragtime {
namespace {

Result<Json> Texts(const char* folder) {
  Config config;
  config.store.uri = folder;
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, snapshot->Files());
  Json texts(Json::Array{});
  for (const FileRecord& file : files) {
    if (file.is_dir) continue;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> nodes, snapshot->NodesOf(file.id));
    for (const NewNode& node : nodes) texts.Append(node.node.text);
  }
  return texts;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: dump_texts FOLDER\n");
    return 2;
  }
  const auto texts = ragtime::Texts(argv[1]);
  if (!texts.ok()) {
    std::fprintf(stderr, "%s\n", texts.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", texts->Dump().c_str());
}
