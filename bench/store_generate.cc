// SPDX-License-Identifier: Apache-2.0
//
// Generates the nodes that every side of bench/store.py stores, and says which are nearest to a question:
//   store_generate make FOLDER ROWS             writes the files below, unless there are that many rows already
//   store_generate nearest FOLDER ROWS QUERIES  prints, for each question, the ten nearest of the first ROWS rows
//
// vectors.f32 holds ROWS x 384 unit vectors in clusters, queries.f32 256 of the same kind; texts.bin the texts one
// after the other, texts.idx where each starts and where the last one ends (u64); fields.tsv a line for each document
// of ten nodes: year, author, draft, score; rows their number. Row r is the same however many rows there are, so that
// one folder serves every size.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "store_data.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = StoreData::kDimension;
constexpr size_t kQueries = 256;
constexpr size_t kClusters = 1000;
constexpr size_t kEnglishWords = 30000;
constexpr size_t kChineseWords = 8000;
// Documents over which the values of a field are dealt out evenly, so that 0.01 % of them have a given author.
constexpr size_t kDocumentChunk = 10000;

class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    double sum = 0;
    for (size_t i = 0; i < words_.size(); ++i) cumulative_.push_back(sum += 1.0 / static_cast<double>(i + 3));
  }
  // By Zipf's law.
  const std::string& Draw(std::mt19937_64& random) const {
    const double at = std::uniform_real_distribution<double>(0, cumulative_.back())(random);
    const auto i = std::lower_bound(cumulative_.begin(), cumulative_.end(), at) - cumulative_.begin();
    return words_[std::min(static_cast<size_t>(i), words_.size() - 1)];
  }

 private:
  std::vector<std::string> words_;
  std::vector<double> cumulative_;
};

size_t Below(std::mt19937_64& random, size_t end) { return static_cast<size_t>(random() % end); }

std::vector<std::string> Shuffled(const std::set<std::string>& words, std::mt19937_64& random) {
  std::vector<std::string> shuffled(words.begin(), words.end());
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  return shuffled;
}

std::vector<std::string> EnglishWords() {
  std::mt19937_64 random(1);
  constexpr std::string_view kConsonants = "bcdfghjklmnprstvwz";
  constexpr std::array<std::string_view, 9> kRests = {"a", "e", "i", "o", "u", "an", "er", "in", "or"};
  std::set<std::string> words;
  while (words.size() < kEnglishWords) {
    std::string word;
    for (size_t syllables = 1 + Below(random, 4); syllables > 0; --syllables) {
      word += kConsonants[Below(random, kConsonants.size())];
      word += kRests[Below(random, kRests.size())];
    }
    words.insert(word);
  }
  return Shuffled(words, random);
}

std::vector<std::string> ChineseWords() {
  std::mt19937_64 random(2);
  std::set<std::string> words;
  while (words.size() < kChineseWords) {
    std::string word;
    for (size_t length = std::array<size_t, 5>{1, 2, 2, 2, 3}[Below(random, 5)]; length > 0; --length) {
      const size_t code = 0x4E00 + Below(random, 3000) * 6;
      word += static_cast<char>(0xE0 | code >> 12);
      word += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      word += static_cast<char>(0x80 | (code & 0x3F));
    }
    words.insert(word);
  }
  return Shuffled(words, random);
}

class TextGenerator {
 public:
  // Half of the nodes are English, three in ten Chinese, the rest both.
  std::string Next() {
    const size_t kind = Below(random_, 10);
    const size_t english = kind < 5 ? 80 : kind < 8 ? 0 : 40;
    const size_t chinese = kind < 5 ? 0 : kind < 8 ? 90 : 45;
    std::string text = RowWord(row_++);
    for (size_t i = 0; i < english; ++i) text += (i > 0 && i % 16 == 0 ? ". " : " ") + english_.Draw(random_);
    if (english > 0) text += ".";
    if (chinese > 0) text += " ";
    for (size_t i = 0; i < chinese; ++i) text += chinese_.Draw(random_) + (i % 9 == 8 ? "。" : "");
    return text;
  }

 private:
  std::mt19937_64 random_{3};
  Words english_{EnglishWords()};
  Words chinese_{ChineseWords()};
  size_t row_ = 0;
};

class VectorGenerator {
 public:
  explicit VectorGenerator(uint64_t seed) : random_(seed) {
    std::mt19937_64 shared(4);
    const std::vector<float> direction = Direction(shared);
    for (size_t c = 0; c < kClusters; ++c) centers_.push_back(Sum(direction, 0.8f, Direction(shared), 0.6f));
  }

  std::vector<float> Next() { return Sum(centers_[Below(random_, kClusters)], 1, Direction(random_), 0.7f); }

 private:
  static std::vector<float> Unit(std::vector<float> vector) {
    const float norm = std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0f));
    for (float& x : vector) x /= norm;
    return vector;
  }
  std::vector<float> Direction(std::mt19937_64& random) {
    std::vector<float> vector(kDimension);
    for (float& x : vector) x = normal_(random);
    return Unit(std::move(vector));
  }
  static std::vector<float> Sum(const std::vector<float>& a, float weight_a, const std::vector<float>& b,
                                float weight_b) {
    std::vector<float> sum(kDimension);
    for (size_t i = 0; i < kDimension; ++i) sum[i] = weight_a * a[i] + weight_b * b[i];
    return Unit(std::move(sum));
  }

  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centers_;
};

void WriteVector(std::ofstream& file, const std::vector<float>& vector) {
  file.write(reinterpret_cast<const char*>(vector.data()), static_cast<std::streamsize>(vector.size() * sizeof(float)));
}

void WriteOffset(std::ofstream& file, uint64_t offset) {
  file.write(reinterpret_cast<const char*>(&offset), sizeof(offset));
}

// Each field has every one of kDocumentChunk values once in kDocumentChunk documents, or its share of them.
void WriteFields(const std::string& path, size_t documents) {
  std::ofstream file(path);
  std::mt19937_64 random(5);
  std::vector<std::vector<size_t>> dealt(4, std::vector<size_t>(kDocumentChunk));
  for (size_t document = 0; document < documents; ++document) {
    const size_t i = document % kDocumentChunk;
    for (auto& values : dealt) {
      if (i > 0) break;
      std::iota(values.begin(), values.end(), size_t{0});
      std::shuffle(values.begin(), values.end(), random);
    }
    char line[96];
    std::snprintf(line, sizeof(line), "%zu\ta%04zu\t%zu\t%.6f\n", 1926 + dealt[0][i] % 100, dealt[1][i],
                  dealt[2][i] % 2, (static_cast<double>(dealt[3][i]) + 0.5) / kDocumentChunk);
    file << line;
  }
}

Status Make(const std::filesystem::path& folder, size_t rows) {
  std::filesystem::create_directories(folder);
  size_t existing = 0;
  if (std::ifstream(folder / "rows") >> existing && existing >= rows) return Status();
  std::filesystem::remove(folder / "rows");
  std::ofstream queries(folder / "queries.f32", std::ios::binary);
  VectorGenerator query_generator(6);
  for (size_t i = 0; i < kQueries; ++i) WriteVector(queries, query_generator.Next());
  std::ofstream vectors(folder / "vectors.f32", std::ios::binary);
  std::ofstream texts(folder / "texts.bin", std::ios::binary);
  std::ofstream offsets(folder / "texts.idx", std::ios::binary);
  VectorGenerator vector_generator(7);
  TextGenerator text_generator;
  uint64_t end = 0;
  WriteOffset(offsets, end);
  for (size_t row = 0; row < rows; ++row) {
    WriteVector(vectors, vector_generator.Next());
    const std::string text = text_generator.Next();
    texts << text;
    WriteOffset(offsets, end += text.size());
  }
  WriteFields((folder / "fields.tsv").string(),
              (rows + StoreData::kNodesPerDocument - 1) / StoreData::kNodesPerDocument);
  if (!queries.flush() || !vectors.flush() || !texts.flush() || !offsets.flush()) {
    return ResourceExhaustedError(folder.string() + " could not be written", "free space on its disk");
  }
  std::ofstream(folder / "rows") << rows;
  return Status();
}

Status Nearest(const std::filesystem::path& folder, size_t rows, size_t queries) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(folder, rows));
  std::printf("[");
  for (size_t i = 0; i < std::min(queries, data.queries()); ++i) {
    const std::vector<size_t> nearest = data.Nearest(i, 10, [](size_t) { return true; });
    for (size_t n = 0; n < nearest.size(); ++n) {
      std::printf("%s%zu", n > 0 ? ", " : i > 0 ? "], [" : "[", nearest[n]);
    }
  }
  std::printf("]]\n");
  return Status();
}

Status Run(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "make" && argc == 4) return Make(argv[2], std::strtoull(argv[3], nullptr, 10));
  if (verb == "nearest" && argc == 5) {
    return Nearest(argv[2], std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10));
  }
  return InvalidArgumentError("usage: store_generate make FOLDER ROWS | nearest FOLDER ROWS QUERIES");
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const ragtime::Status status = ragtime::Run(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
