// SPDX-License-Identifier: Apache-2.0
//
// Goal: every implementation this CPU can run gives the bits of the plain one, and the plain one is right.
#include "index/kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "index/kernels/disk_wait.h"
#include "index/kernels/selected_rows.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

constexpr size_t kDimensions[] = {0, 1, 7, 15, 16, 17, 63, 64, 65, 96, 128, 383, 384, 385, 768, 1000};

std::vector<float> RandomFloats(std::mt19937& random, size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

TEST(Kernels, ThePlainOneIsFirstAndThisCpuHasAWideOne) {
  ASSERT_FALSE(SupportedKernels().empty());
  EXPECT_STREQ(SupportedKernels()[0].name, "scalar");
  EXPECT_EQ(&BestKernels(), &SupportedKernels().back());
#if defined(__aarch64__)
  EXPECT_STREQ(BestKernels().name, "neon");
#endif
}

TEST(Kernels, FloatResultsAreRightAndBitForBitTheSame) {
  std::mt19937 random(1);
  for (const size_t n : kDimensions) {
    // One more in front, so that the data is not aligned.
    const std::vector<float> a = RandomFloats(random, n + 1);
    const std::vector<float> b = RandomFloats(random, n + 1);
    double dot = 0;
    double l2 = 0;
    double magnitude = 0;
    for (size_t i = 1; i <= n; ++i) {
      dot += double{a[i]} * b[i];
      magnitude += std::abs(double{a[i]} * b[i]);
      l2 += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    }
    const Kernels& plain = SupportedKernels()[0];
    EXPECT_NEAR(plain.dot(a.data() + 1, b.data() + 1, n), dot, 1e-6 * magnitude + 1e-12);
    EXPECT_NEAR(plain.l2_squared(a.data() + 1, b.data() + 1, n), l2, 1e-6 * l2 + 1e-12);
    for (const Kernels& kernels : SupportedKernels()) {
      EXPECT_EQ(std::bit_cast<uint32_t>(kernels.dot(a.data() + 1, b.data() + 1, n)),
                std::bit_cast<uint32_t>(plain.dot(a.data() + 1, b.data() + 1, n)))
          << kernels.name << " " << n;
      EXPECT_EQ(std::bit_cast<uint32_t>(kernels.l2_squared(a.data() + 1, b.data() + 1, n)),
                std::bit_cast<uint32_t>(plain.l2_squared(a.data() + 1, b.data() + 1, n)))
          << kernels.name << " " << n;
    }
  }
}

TEST(Kernels, CodeResultsAreExactAlsoAtTheEndsOfTheRange) {
  std::mt19937 random(2);
  for (const size_t n : {size_t{64}, size_t{128}, size_t{192}, size_t{384}, size_t{832}, kCodesMax}) {
    const size_t count = n == kCodesMax ? 2 : 9;
    std::vector<int8_t> query(n);
    std::vector<int8_t> rows(n * count);
    for (int8_t& code : query) code = static_cast<int8_t>(random());
    for (int8_t& code : rows) code = static_cast<int8_t>(random());
    std::fill(rows.begin(), rows.begin() + n, int8_t{-128});
    if (n == 384 || n == kCodesMax) std::fill(query.begin(), query.end(), int8_t{-127});
    for (const Kernels& kernels : SupportedKernels()) {
      std::vector<int32_t> out(count, -1);
      kernels.dot_codes(query.data(), rows.data(), n, count, out.data());
      for (size_t r = 0; r < count; ++r) {
        int64_t expected = 0;
        for (size_t i = 0; i < n; ++i) expected += int64_t{query[i]} * rows[r * n + i];
        EXPECT_EQ(out[r], expected) << kernels.name << " " << n << " row " << r;
      }
      std::vector<uint32_t> listed = {0, static_cast<uint32_t>(count - 1), 0};
      for (uint32_t i = 0; i < 20; ++i) listed.push_back(static_cast<uint32_t>(random() % count));
      for (const size_t some : {size_t{0}, size_t{1}, size_t{3}, listed.size()}) {
        std::vector<int32_t> of_listed(listed.size(), -1);
        kernels.dot_listed_codes(query.data(), rows.data(), n, listed.data(), some, of_listed.data());
        for (size_t i = 0; i < listed.size(); ++i) {
          EXPECT_EQ(of_listed[i], i < some ? out[listed[i]] : -1) << kernels.name << " " << n << " place " << i;
        }
      }
    }
  }
}

TEST(Kernels, HadamardsMatrixIsRightAndBitForBitTheSame) {
  std::mt19937 random(5);
  for (size_t n = 1; n <= 1024; n *= 2) {
    const std::vector<float> values = RandomFloats(random, n + 1);
    std::vector<float> plain = values;
    SupportedKernels()[0].hadamard(plain.data() + 1, n);
    EXPECT_EQ(plain[0], values[0]);
    for (size_t i = 0; i < n; i += 1 + n / 16) {
      double expected = 0;
      for (size_t j = 0; j < n; ++j) expected += std::popcount(i & j) % 2 == 0 ? values[j + 1] : -values[j + 1];
      EXPECT_NEAR(plain[i + 1], expected, 1e-5 * static_cast<double>(n)) << n;
    }
    for (const Kernels& kernels : SupportedKernels()) {
      std::vector<float> turned = values;
      kernels.hadamard(turned.data() + 1, n);
      for (size_t i = 0; i <= n; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(turned[i]), std::bit_cast<uint32_t>(plain[i])) << kernels.name << " " << n;
      }
    }
  }
}

TEST(CountSelected, LooksAtTheRowsOnly) {
  // Of 130 rows every third is excluded, and bits beyond the last row say nothing.
  std::vector<uint64_t> words(4, ~uint64_t{0});
  for (size_t row = 0; row < 130; ++row) {
    if (row % 3 != 0) words[row / 64] &= ~(uint64_t{1} << row % 64);
  }
  const auto selected = [&](size_t rows, size_t count) {
    RowSelection selection;
    selection.excluded.words = std::span<const uint64_t>(words).first(count);
    return CountSelected(rows, selection);
  };
  EXPECT_EQ(selected(130, 3), 86u);
  EXPECT_EQ(selected(130, 4), 86u);
  EXPECT_EQ(selected(128, 3), 85u);
  EXPECT_EQ(selected(130, 1), 108u);
  EXPECT_EQ(selected(130, 0), 130u);
}

TEST(Kernels, CodesAreWithinHalfAScaleOfTheValues) {
  std::mt19937 random(3);
  const std::vector<float> values = RandomFloats(random, 383);
  std::vector<int8_t> codes(384, 99);
  const float scale = QuantizeCodes(values.data(), 383, 384, codes.data());
  EXPECT_EQ(codes[383], 0);
  int largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(codes[i] * scale, values[i], scale * 0.5001f);
    largest = std::max(largest, std::abs(int{codes[i]}));
  }
  EXPECT_EQ(largest, 127);
  const std::vector<float> zeros = {0, -0.0f, 1e-45f};
  EXPECT_EQ(QuantizeCodes(zeros.data(), 3, 64, codes.data()), 0);
  EXPECT_EQ(codes[2], 0);
}

TEST(DiskWait, IsAStepThatTakesLong) {
  DiskWait disk;
  EXPECT_FALSE(disk.waits());
  EXPECT_FALSE(disk.waited());
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  disk.Step();
  EXPECT_TRUE(disk.waits());
  // Of these a loaded machine may stretch any, not all.
  bool went_on = false;
  for (int i = 0; i < 100'000 && !went_on; ++i) {
    disk.Step();
    went_on = !disk.waits();
  }
  EXPECT_TRUE(went_on);
  EXPECT_TRUE(disk.waited());
}

TEST(TopHits, KeepsTheBestAndOrdersTiesByRow) {
  std::mt19937 random(4);
  for (const size_t limit : {0u, 1u, 5u, 50u, 500u}) {
    TopHits top(limit);
    std::vector<RowHit> all;
    for (uint32_t row = 0; row < 200; ++row) all.push_back({row, static_cast<float>(random() % 20)});
    std::shuffle(all.begin(), all.end(), random);
    for (const RowHit& hit : all) top.Offer(hit);
    std::sort(all.begin(), all.end(), TopHits::IsBetter);
    all.resize(std::min(limit, all.size()));
    EXPECT_EQ(top.Take(), all);
  }
}

}  // namespace
}  // namespace ragtime
