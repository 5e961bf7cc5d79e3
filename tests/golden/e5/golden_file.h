// SPDX-License-Identifier: Apache-2.0
//
// Reads the golden texts, tokens and vectors of multilingual-e5-small, which README.md describes. For tests.
#ifndef RAGTIME_GOLDEN_E5_GOLDEN_FILE_H_
#define RAGTIME_GOLDEN_E5_GOLDEN_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace ragtime::golden {

inline constexpr size_t kDimension = 384;

struct Item {
  std::string text;
  std::vector<int32_t> tokens;
  std::array<float, kDimension> query{};
  std::array<float, kDimension> passage{};
};

inline std::string Unescape(const std::string& line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      text += line[i];
      continue;
    }
    const char code = line[++i];
    text += code == 'n' ? '\n' : code == 'r' ? '\r' : code == 't' ? '\t' : code;
  }
  return text;
}

// `folder` is tests/golden/e5. Returns fewer items where a file is missing or short: check for 50.
inline std::vector<Item> Load(const std::string& folder) {
  std::ifstream texts(folder + "/texts.txt");
  std::ifstream tokens(folder + "/tokens.txt");
  std::ifstream vectors(folder + "/vectors.f32", std::ios::binary);
  std::vector<Item> items;
  std::string text;
  std::string ids;
  while (std::getline(texts, text) && std::getline(tokens, ids)) {
    Item item;
    item.text = Unescape(text);
    std::istringstream fields(ids);
    for (int32_t id = 0; fields >> id;) item.tokens.push_back(id);
    vectors.read(reinterpret_cast<char*>(item.query.data()), sizeof(item.query));
    vectors.read(reinterpret_cast<char*>(item.passage.data()), sizeof(item.passage));
    if (!vectors) break;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace ragtime::golden

#endif  // RAGTIME_GOLDEN_E5_GOLDEN_FILE_H_
