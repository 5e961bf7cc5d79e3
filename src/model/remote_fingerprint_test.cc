// SPDX-License-Identifier: Apache-2.0
//
// Goal: one model is known again behind another rounding, and no other model is taken for it.
#include "model/remote_fingerprint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace ragtime {
namespace {

TEST(RemoteFingerprint, KnowsAModelByWhatItMakesOfAText) {
  const char* given = std::getenv("RAGTIME_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const size_t dimension : {64u, 384u, 1024u, 4096u}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<float> vector(dimension);
      std::vector<float> rounded(dimension);
      std::vector<float> other(dimension);
      for (size_t i = 0; i < dimension; ++i) {
        vector[i] = normal(random);
        rounded[i] = vector[i] + 0.1f * normal(random);  // A cosine of about 0.995.
        other[i] = normal(random);
      }
      const std::string sketch = SketchOf(vector);
      EXPECT_TRUE(SketchesAgree(sketch, SketchOf(rounded)));
      EXPECT_FALSE(SketchesAgree(sketch, SketchOf(other)));
      const RemoteFingerprint fingerprint{.settings = "abc", .dimension = dimension, .sketch = sketch};
      const auto parsed = RemoteFingerprint::Parse(fingerprint.ToString());
      ASSERT_TRUE(parsed);
      EXPECT_EQ(parsed->ToString(), fingerprint.ToString());
      RemoteFingerprint near = fingerprint;
      near.sketch = SketchOf(rounded);
      EXPECT_TRUE(FingerprintsAgree(fingerprint.ToString(), near.ToString()));
      near.settings = "abd";
      EXPECT_FALSE(FingerprintsAgree(fingerprint.ToString(), near.ToString()));
    }
  }
}

TEST(RemoteFingerprint, OthersAgreeOnlyWhereTheyAreEqual) {
  EXPECT_TRUE(FingerprintsAgree("e5-small", "e5-small"));
  EXPECT_FALSE(FingerprintsAgree("e5-small", "e5-large"));
  const std::string zeros(64, '0');
  for (const std::string& wrong : {std::string("openai-"), "openai-0-a-" + zeros, "openai-x-a-" + zeros,
                                   "openai-3-a-" + zeros + "0", "openai-3-a-" + std::string(64, 'g'), zeros}) {
    EXPECT_FALSE(RemoteFingerprint::Parse(wrong)) << wrong;
  }
  EXPECT_FALSE(SketchesAgree(zeros, zeros));
}

}  // namespace
}  // namespace ragtime
