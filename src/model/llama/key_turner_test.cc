// SPDX-License-Identifier: Apache-2.0
//
// Goal: a state that is moved is what the model would have computed there, as far as keys go, and whatever is not
// understood is refused.
// Method: states written here in llama.cpp's form; llama_reuse_test compares with llama.cpp's own.
#include "model/llama/key_turner.h"

#include <ggml.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace ragtime {
namespace {

constexpr size_t kCells = 5;
constexpr size_t kLayers = 2;
constexpr RopeShape kShape = {.heads = 3, .head_size = 16, .turned = 12};

template <typename T>
void Append(std::vector<std::byte>& bytes, const T& value) {
  bytes.resize(bytes.size() + sizeof(value));
  std::memcpy(bytes.data() + bytes.size() - sizeof(value), &value, sizeof(value));
}

// Cells at the positions from `start` on with keys that have the values `unturned`, turned to their positions here by
// the definition.
std::vector<std::byte> StateAt(const RopeShape& shape, int32_t start, const std::vector<float>& unturned) {
  std::vector<std::byte> state;
  Append(state, uint32_t{0xaf143cd8});
  Append(state, int32_t{7});
  Append(state, uint32_t{1});
  Append(state, static_cast<uint32_t>(kCells));
  for (size_t cell = 0; cell < kCells; ++cell) {
    Append(state, start + static_cast<int32_t>(cell));
    Append(state, uint32_t{1});
    Append(state, int32_t{7});
  }
  Append(state, uint32_t{0});
  Append(state, static_cast<uint32_t>(kLayers));
  size_t next = 0;
  for (size_t layer = 0; layer < kLayers; ++layer) {
    Append(state, static_cast<int32_t>(GGML_TYPE_F16));
    Append(state, static_cast<uint64_t>(shape.heads * shape.head_size * sizeof(ggml_fp16_t)));
    for (size_t cell = 0; cell < kCells; ++cell) {
      for (size_t head = 0; head < shape.heads; ++head, next += shape.head_size) {
        std::vector<double> x(unturned.begin() + static_cast<ptrdiff_t>(next),
                              unturned.begin() + static_cast<ptrdiff_t>(next + shape.head_size));
        for (size_t i = 0; i < shape.turned / 2; ++i) {
          const double angle = (start + static_cast<double>(cell)) * shape.scale *
                               std::pow(shape.base, -2.0 * static_cast<double>(i) / static_cast<double>(shape.turned));
          double& a = x[shape.neighbours ? 2 * i : i];
          double& b = x[shape.neighbours ? 2 * i + 1 : i + shape.turned / 2];
          const double turned = a * std::cos(angle) - b * std::sin(angle);
          b = a * std::sin(angle) + b * std::cos(angle);
          a = turned;
        }
        for (const double value : x) Append(state, ggml_fp32_to_fp16(static_cast<float>(value)));
      }
    }
  }
  for (uint8_t value = 0; value < 100; ++value) Append(state, value);  // Values, which are not turned.
  return state;
}

std::vector<float> RandomKeys(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> keys(kLayers * kCells * kShape.heads * kShape.head_size);
  for (float& key : keys) key = normal(random);
  return keys;
}

TEST(KeyTurnerTest, AMovedStateIsTheOneThatStandsThere) {
  std::mt19937 random(1);
  for (const bool neighbours : {true, false}) {
    for (const float base : {10000.0f, 100000.0f}) {
      RopeShape shape = kShape;
      shape.neighbours = neighbours;
      shape.base = base;
      shape.scale = base > 10000 ? 0.5f : 1.0f;
      const std::vector<float> keys = RandomKeys(random);
      const std::vector<std::byte> here = StateAt(shape, 40, keys);
      const KeyTurner turner(shape);
      for (const ptrdiff_t by : {1, 700, -30}) {
        const Result<std::vector<std::byte>> moved = turner.Move(here, by);
        ASSERT_TRUE(moved.ok()) << moved.status().ToString();
        const std::vector<std::byte> there = StateAt(shape, 40 + static_cast<int32_t>(by), keys);
        EXPECT_TRUE(turner.AreAlike(*moved, there)) << by;
        EXPECT_TRUE(std::equal(there.end() - 100, there.end(), moved->end() - 100));
        EXPECT_FALSE(turner.AreAlike(*moved, here)) << by;
      }
    }
  }
}

TEST(KeyTurnerTest, AnotherShapeIsSeen) {
  std::mt19937 random(2);
  const std::vector<float> keys = RandomKeys(random);
  const std::vector<std::byte> here = StateAt(kShape, 0, keys);
  const std::vector<std::byte> there = StateAt(kShape, 4096, keys);
  RopeShape other_base = kShape;
  other_base.base = 10500;
  RopeShape other_pairs = kShape;
  other_pairs.neighbours = false;
  RopeShape less_turned = kShape;
  less_turned.turned = 10;
  RopeShape other_scale = kShape;
  other_scale.scale = 0.999f;
  for (const RopeShape& shape : {other_base, other_pairs, less_turned, other_scale}) {
    const KeyTurner turner(shape);
    const Result<std::vector<std::byte>> moved = turner.Move(here, 4096);
    ASSERT_TRUE(moved.ok());
    EXPECT_FALSE(turner.AreAlike(*moved, there));
  }
}

TEST(KeyTurnerTest, WhatIsNotUnderstoodIsRefused) {
  std::mt19937 random(3);
  const KeyTurner turner(kShape);
  const std::vector<std::byte> state = StateAt(kShape, 0, RandomKeys(random));
  // Cut off within the keys or before.
  for (size_t size = 0; size + 100 < state.size(); ++size) {
    const std::vector<std::byte> part(state.begin(), state.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(turner.Move(part, 1).status().code(), StatusCode::kFailedPrecondition) << size;
    EXPECT_FALSE(turner.AreAlike(part, state));
  }
  // Of another kind, of several streams, of cells that several sequences share, and with keys of another type or size.
  const size_t layer = 16 + kCells * 12 + 8;
  for (const size_t at : {size_t{0}, size_t{8}, size_t{20}, layer, layer + 4}) {
    std::vector<std::byte> changed = state;
    changed[at] ^= std::byte{2};
    EXPECT_EQ(turner.Move(changed, 1).status().code(), StatusCode::kFailedPrecondition) << at;
  }
}

}  // namespace
}  // namespace ragtime
