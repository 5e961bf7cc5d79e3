// SPDX-License-Identifier: Apache-2.0
//
// What tests of stores share: a seed that can be repeated, random nodes, and folders that go away.
#ifndef RAGTIME_TESTS_TESTING_STORE_TESTING_H_
#define RAGTIME_TESTS_TESTING_STORE_TESTING_H_

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/store.h"

namespace ragtime {

// $RAGTIME_SEED, else drawn. Print it: SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed)).
uint64_t SeedFromEnvironment();

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t limit) { return engine_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  float Gaussian() { return normal_(engine_); }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

// A new folder under the system's own, removed with all inside at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Of length 1.
std::vector<float> RandomVector(Random& random, size_t dimension);
// Out of few words, English and Chinese, so that words are shared and scores tie.
std::string RandomText(Random& random, size_t words);
NewNode RandomNode(Random& random, std::string group, uint32_t position, size_t dimension);
// A file with `nodes` nodes in one or two groups.
// Fields of every type and index, values of them (some missing), and conditions on them and on what every node has.
std::vector<FieldSpec> TestFields();
Fields RandomFields(Random& random);
std::string RandomFilter(Random& random, int depth = 2);
// Gives each node a vector of some of the keys, of which the last one is rare.
void AddRandomNamed(Random& random, const std::map<std::string, size_t>& dimensions, std::vector<NewNode>& nodes);
DocumentWrite RandomDocument(Random& random, std::string path, size_t nodes, size_t dimension);
// A file with one node.
DocumentWrite OneNodeDocument(std::string path, std::string text, std::vector<float> vector);

// The first thing that Verify finds, or OK.
Status Soundness(const Store& store);

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_STORE_TESTING_H_
