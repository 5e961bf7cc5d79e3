// SPDX-License-Identifier: Apache-2.0
//
// What tests of mirrors share: random commits, and what the mirror must hold after them.
#ifndef RAGTIME_TESTS_TESTING_MIRROR_TESTING_H_
#define RAGTIME_TESTS_TESTING_MIRROR_TESTING_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "catalog/shared_catalog.h"
#include "ragtime/store.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {

inline void ExpectMirrored(const Store& store, const SharedState& mirror) {
  const auto snapshot = Value(store.OpenSnapshot());
  EXPECT_EQ(mirror.files, Value(snapshot->Files()));
  EXPECT_EQ(mirror.counters.generation, snapshot->generation());
  EXPECT_EQ(mirror.settings.at("uuid"), Value(store.Setting("uuid")));
}

inline void CommitRandom(Store& store, Random& random, int count) {
  for (int i = 0; i < count; ++i) {
    WriteBatch batch;
    for (uint64_t n = random.Below(4); n > 0; --n) {
      const std::string path =
          "d" + std::to_string(random.Below(3)) + "/" + std::to_string(n) + "x" + std::to_string(random.Below(5));
      batch.documents.push_back(RandomDocument(random, path, random.Below(3), 4));
    }
    for (const FileRecord& file : Value(Value(store.OpenSnapshot())->Files())) {
      if (!file.is_dir && random.OneIn(5)) batch.erased.push_back(file.id);
    }
    ASSERT_OK(store.Commit({}, std::move(batch)));
  }
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_MIRROR_TESTING_H_
