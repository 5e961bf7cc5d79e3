// SPDX-License-Identifier: Apache-2.0
//
// What every vector index that is smaller than a scan of all rows keeps besides finding them: too few rows are scanned,
// wrong arguments and bytes are refused, damage does no harm. Each index's own test instantiates VectorIndexContract.
#ifndef RAGTIME_TESTS_TESTING_VECTOR_INDEX_CONTRACT_H_
#define RAGTIME_TESTS_TESTING_VECTOR_INDEX_CONTRACT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "testing/vector_index_fixture.h"

namespace ragtime {

struct VectorIndexKind {
  std::string name;
  std::function<std::unique_ptr<VectorIndexType>()> make;
  size_t header_bytes = 0;  // All that is written for less than `rows` vectors; each bit of it is checked.
  size_t rows = 0;          // From here on there is an index.
  Metric metric = Metric::kCosine;
  VectorSearchParameters walk = {.ef = 20};  // So little that 2,500 rows are not scanned.
  size_t damage_max = 200;                   // Bytes; so many that some searches meet them and say so.
  bool finds_damage = true;                  // False: any body is one that might have been written.
};
inline void PrintTo(const VectorIndexKind& kind, std::ostream* out) { *out << kind.name; }
inline std::string NameOf(const testing::TestParamInfo<VectorIndexKind>& test) { return test.param.name; }

class VectorIndexContract : public testing::TestWithParam<VectorIndexKind>, protected VectorIndexFixture {
 protected:
  void Build(uint32_t seed, size_t rows, size_t dimension) {
    BuildIndex(*type_, Clustered(seed, rows, dimension, GetParam().metric), GetParam().metric);
  }
  StatusCode CodeOf(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric) const {
    return type_->Open(bytes, vectors, metric).status().code();
  }
  StatusCode CodeOf(std::span<const std::byte> bytes) const { return CodeOf(bytes, vectors_.matrix(), metric_); }

  const std::unique_ptr<VectorIndexType> type_ = GetParam().make();
};

TEST_P(VectorIndexContract, FewRowsAreScanned) {
  for (const size_t rows : {size_t{0}, size_t{1}, GetParam().rows - 1}) {
    const Vectors vectors = Clustered(12, rows, 8, GetParam().metric);
    const VectorMatrix matrix{vectors.data.data(), rows, 8};
    const auto bytes = *type_->Build({}, matrix, GetParam().metric);
    EXPECT_EQ(bytes.size(), GetParam().header_bytes);
    auto index = type_->Open(bytes, matrix, GetParam().metric);
    ASSERT_TRUE(index.ok());
    const std::vector<float> query(8, 0.5f);
    EXPECT_EQ(*(*index)->Search({}, query, 5, {}), *ScanExactly({}, matrix, GetParam().metric, query, 5, {}));
  }
}

TEST_P(VectorIndexContract, WrongArgumentsAreRefused) {
  for (const size_t rows : {size_t{3}, GetParam().rows}) {
    Build(13, rows, 16);
    std::vector<float> query(16, 1.0f);
    EXPECT_EQ(index_->Search({}, std::span(query).first(15), 1, {}).status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(index_->Search({}, query, 0, {})->empty());
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e16f}) {
      query[3] = bad;
      EXPECT_EQ(index_->Search({}, query, 1, {}).status().code(), StatusCode::kInvalidArgument);
      Vectors vectors = vectors_;
      vectors.data[(rows - 1) * 16] = bad;
      const Status status = type_->Build({}, vectors.matrix(), metric_).status();
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
      EXPECT_THAT(status.message(), testing::HasSubstr("row"));
    }
  }
  EXPECT_FALSE(type_->Build({}, {nullptr, 0, 0}, metric_).ok());
}

TEST_P(VectorIndexContract, WhatIsCancelledStops) {
  Build(14, 3000, 16);
  std::stop_source source;
  source.request_stop();
  const Context context{.stop = source.get_token()};
  EXPECT_EQ(index_->Search(context, vectors_.matrix().row(0), 3, {}, GetParam().walk).status().code(),
            StatusCode::kCancelled);
  EXPECT_EQ(type_->Build(context, vectors_.matrix(), metric_).status().code(), StatusCode::kCancelled);
}

TEST_P(VectorIndexContract, ForeignBytesAreRefused) {
  const size_t rows = GetParam().rows + 50;
  Build(15, rows, 16);
  for (size_t size = 0; size < bytes_.size(); size += size < 200 ? 1 : 997) {
    EXPECT_EQ(CodeOf(std::span(bytes_).first(size)), StatusCode::kDataLoss) << size << " bytes";
  }
  for (size_t bit = 0; bit < GetParam().header_bytes * 8; ++bit) {
    auto damaged = bytes_;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(CodeOf(damaged), StatusCode::kOk) << bit;
  }
  for (const Metric other : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    if (other == metric_) continue;
    EXPECT_EQ(CodeOf(bytes_, vectors_.matrix(), other), StatusCode::kDataLoss);
  }
  EXPECT_EQ(CodeOf(bytes_, {vectors_.data.data(), rows - 1, 16}, metric_), StatusCode::kDataLoss);
}

TEST_P(VectorIndexContract, ANewerFormatIsNamed) {
  Build(15, GetParam().rows, 16);
  constexpr size_t kVersionAt = 8;  // Behind the magic of every header.
  bytes_[kVersionAt] = static_cast<std::byte>(type_->version() + 1);
  const Status status = type_->Open(bytes_, vectors_.matrix(), metric_).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), testing::HasSubstr(StrCat("format ", type_->version() + 1)));
}

// Damage that a checksum would find must not lead a walk out of its bytes; sanitizers see it if it does.
TEST_P(VectorIndexContract, MutatedBodiesAreSearchedWithoutHarm) {
  std::mt19937 random(16);
  constexpr size_t kRows = 2500;
  const size_t header = GetParam().header_bytes;
  const auto excluded = Bits(kRows, [](uint32_t row) { return row % 10 == 0; });
  for (const size_t dimension : {size_t{20}, size_t{130}}) {
    Build(17, kRows, dimension);
    size_t refused = 0;
    for (int round = 0; round < 200; ++round) {
      auto damaged = bytes_;
      for (size_t n = 1 + random() % GetParam().damage_max; n > 0; --n) {
        damaged[header + random() % (damaged.size() - header)] = static_cast<std::byte>(random());
      }
      auto index = type_->Open(damaged, vectors_.matrix(), metric_);
      ASSERT_TRUE(index.ok());
      for (const RowBitmap bitmap : {RowBitmap{}, RowBitmap{excluded}}) {
        const auto hits = (*index)->Search({}, vectors_.matrix().row(random() % kRows), 10, bitmap, GetParam().walk);
        if (!hits.ok()) {
          ASSERT_EQ(hits.status().code(), StatusCode::kDataLoss);
          ++refused;
          continue;
        }
        EXPECT_LE(hits->size(), 10u);
        for (const RowHit& hit : *hits) {
          EXPECT_LT(hit.row, kRows);
          EXPECT_FALSE(bitmap.Contains(hit.row));
        }
      }
    }
    EXPECT_EQ(refused > 0, GetParam().finds_damage) << dimension;
  }
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_VECTOR_INDEX_CONTRACT_H_
