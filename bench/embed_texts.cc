// SPDX-License-Identifier: Apache-2.0
//
// Embeds the lines of a file: embed_texts MODEL TEXTS VECTORS [LINES [query]]
//
// Appends float32 to VECTORS, row by row, for the lines that have none yet, at most LINES of them, in batches that are
// whole or not there at all: it goes on where it was stopped. MODEL is a folder or a name as embed.model takes it.
// "query" embeds them as questions, which some models tell from passages.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/builtin.h"

namespace ragtime {
namespace {

constexpr size_t kBatch = 512;

Result<size_t> Embed(const std::string& model, const char* texts_path, const std::string& vectors_path, size_t most,
                     TextKind kind) {
  Config config;
  config.embed.model = model;
  RAGTIME_ASSIGN_OR_RETURN(const auto embedder, MakeEmbedder(config));
  const size_t row_bytes = embedder->info().dimension * sizeof(float);
  std::error_code none;
  const uintmax_t size = std::filesystem::file_size(vectors_path, none);
  size_t done = none ? 0 : size / row_bytes;
  if (!none) std::filesystem::resize_file(vectors_path, done * row_bytes);
  std::ifstream texts(texts_path);
  if (!texts) return NotFoundError(std::string("there is no file ") + texts_path, "check the path");
  std::string line;
  for (size_t i = 0; i < done; ++i) std::getline(texts, line);
  std::ofstream vectors(vectors_path, std::ios::binary | std::ios::app);
  size_t embedded = 0;
  while (embedded < most) {
    std::vector<std::string> batch;
    while (batch.size() < std::min(kBatch, most - embedded) && std::getline(texts, line)) batch.push_back(line);
    if (batch.empty()) break;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> rows, embedder->Embed({}, batch, kind));
    vectors.write(reinterpret_cast<const char*>(rows.data()),
                  static_cast<std::streamsize>(rows.size() * sizeof(float)));
    vectors.flush();
    if (!vectors) return InternalError("cannot write " + vectors_path, "check the free space");
    embedded += batch.size();
  }
  return embedded;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6 || (argc == 6 && std::string_view(argv[5]) != "query")) {
    std::fprintf(stderr, "usage: embed_texts MODEL TEXTS VECTORS [LINES [query]]\n");
    return 2;
  }
  const auto embedded =
      ragtime::Embed(argv[1], argv[2], argv[3], argc > 4 ? std::strtoull(argv[4], nullptr, 10) : SIZE_MAX,
                     argc > 5 ? ragtime::TextKind::kQuery : ragtime::TextKind::kPassage);
  if (!embedded.ok()) {
    std::fprintf(stderr, "%s\n", embedded.status().ToString().c_str());
    return 1;
  }
  std::printf("%zu\n", *embedded);
}
