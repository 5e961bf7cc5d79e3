// SPDX-License-Identifier: Apache-2.0
#include "simulation/numbered_batches.h"

#include <algorithm>

#include "base/str_cat.h"
#include "testing/store_testing.h"

namespace ragtime {

EmbeddedLimits SimulationLimits() {
  return {.tail_nodes_max = 12,
          .tail_size_bytes_max = 256 << 10,
          .tail_segments_max = 3,
          .small_segment_rows = 60,
          .small_segments_max = 2,
          .merged_rows_max = 100,
          .deleted_share_max = 0.2,
          .background = false};
}

namespace {

// Vectors beside those of every node: what a commit writes of one it must write of all.
const std::map<std::string, size_t> kNamedDimensions = {{"english", 6}};

}  // namespace

WriteBatch NumberedBatch(int k) {
  Random random(static_cast<uint64_t>(k));
  Random random_named(static_cast<uint64_t>(k));  // Of its own: which nodes there are does not depend on their vectors.
  WriteBatch batch;
  // Every third replaces what an earlier one wrote; every fifth is too large for the tail.
  const int files = k % 5 == 0 ? 8 : 2;
  for (int i = 0; i < files; ++i) {
    const int number = k % 3 == 0 ? i : k * 10 + i;
    batch.documents.push_back(RandomDocument(random, StrCat("d", number % 3, "/f", number, ".txt"), 1 + random.Below(4),
                                             kSimulationDimension));
    batch.documents.back().file.fields = RandomFields(random);
    AddRandomNamed(random_named, kNamedDimensions, batch.documents.back().nodes);
  }
  std::sort(batch.documents.begin(), batch.documents.end(),
            [](const DocumentWrite& a, const DocumentWrite& b) { return a.file.file_path < b.file.file_path; });
  if (k == 1) batch.fields = TestFields();
  if (k == 1) batch.dimensions = kNamedDimensions;
  // Ids are given out in order; some of these are folders or gone, which is no error.
  if (k % 4 == 0) batch.erased = {k, k + 1, k + 2};
  batch.settings = {{kBatchSetting, StrCat(k)}};
  return batch;
}

bool SealsAfter(int k) { return k % 6 == 0; }

}  // namespace ragtime
