// SPDX-License-Identifier: Apache-2.0
#include "model/llama/key_turner.h"

#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>

namespace ragtime {
namespace {

// Where in a state its positions and keys are, see llama_context::state_seq_get_data and llama_kv_cache::state_write:
// of one stream, cells of one sequence.
struct Layout {
  size_t cells = 0;
  size_t positions = 0;      // Of the first cell; the next one is kCellBytes behind.
  std::vector<size_t> keys;  // Of each layer: the first of `cells` rows, one behind the other.
};
constexpr size_t kCellBytes = 12;  // Position, how many sequences (one), and which.

template <typename T>
T At(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

std::optional<Layout> LayoutOf(std::span<const std::byte> state, size_t row_bytes) {
  constexpr uint32_t kMagic = 0xaf143cd8;
  constexpr size_t kHeadBytes = 16;  // Magic, sequence, streams, cells.
  if (state.size() < kHeadBytes || At<uint32_t>(state, 0) != kMagic || At<uint32_t>(state, 8) != 1) return std::nullopt;
  Layout layout{.cells = At<uint32_t>(state, 12), .positions = kHeadBytes, .keys = {}};
  size_t at = kHeadBytes + layout.cells * kCellBytes;
  constexpr size_t kBodyBytes = 8;  // Whether values are transposed, layers.
  if (layout.cells == 0 || state.size() < at + kBodyBytes) return std::nullopt;
  for (size_t cell = 0; cell < layout.cells; ++cell) {
    if (At<uint32_t>(state, layout.positions + cell * kCellBytes + 4) != 1) return std::nullopt;
  }
  const auto layers = At<uint32_t>(state, at + 4);
  at += kBodyBytes;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    constexpr size_t kLayerBytes = 12;
    if (state.size() < at + kLayerBytes || At<int32_t>(state, at) != GGML_TYPE_F16 ||
        At<uint64_t>(state, at + 4) != row_bytes) {
      return std::nullopt;
    }
    layout.keys.push_back(at + kLayerBytes);
    at += kLayerBytes + layout.cells * row_bytes;
    if (state.size() < at) return std::nullopt;
  }
  return layout;
}

}  // namespace

Result<std::vector<std::byte>> KeyTurner::Move(std::span<const std::byte> state, ptrdiff_t by) const {
  const size_t row = shape_.heads * shape_.head_size;
  const std::optional<Layout> layout = LayoutOf(state, row * sizeof(ggml_fp16_t));
  if (!layout) return FailedPreconditionError("the saved state has another form than keys in f16 have");
  std::vector<std::byte> moved(state.begin(), state.end());
  for (size_t cell = 0; cell < layout->cells; ++cell) {
    const size_t at = layout->positions + cell * kCellBytes;
    const int32_t position = At<int32_t>(state, at) + static_cast<int32_t>(by);
    std::memcpy(moved.data() + at, &position, sizeof(position));
  }
  // All are moved by the same, so that all are turned by the same angles.
  std::vector<float> cosines;
  std::vector<float> sines;
  float angle = static_cast<float>(by);
  const float ratio = std::pow(shape_.base, -2.0f / static_cast<float>(shape_.turned));
  for (size_t i = 0; i < shape_.turned / 2; ++i, angle *= ratio) {
    cosines.push_back(std::cos(shape_.scale * angle));
    sines.push_back(std::sin(shape_.scale * angle));
  }
  const size_t step = shape_.neighbours ? 2 : 1;
  const size_t other = shape_.neighbours ? 1 : shape_.turned / 2;
  std::vector<ggml_fp16_t> halves(row);
  std::vector<float> key(row);
  for (const size_t keys : layout->keys) {
    for (size_t cell = 0; cell < layout->cells; ++cell) {
      std::byte* place = moved.data() + keys + cell * row * sizeof(ggml_fp16_t);
      std::memcpy(halves.data(), place, row * sizeof(ggml_fp16_t));
      ggml_cpu_fp16_to_fp32(halves.data(), key.data(), static_cast<int64_t>(row));
      for (size_t head = 0; head < shape_.heads; ++head) {
        float* x = key.data() + head * shape_.head_size;
        for (size_t i = 0; i < cosines.size(); ++i) {
          const float a = x[i * step];
          const float b = x[i * step + other];
          x[i * step] = a * cosines[i] - b * sines[i];
          x[i * step + other] = a * sines[i] + b * cosines[i];
        }
      }
      ggml_cpu_fp32_to_fp16(key.data(), halves.data(), static_cast<int64_t>(row));
      std::memcpy(place, halves.data(), row * sizeof(ggml_fp16_t));
    }
  }
  return moved;
}

bool KeyTurner::AreAlike(std::span<const std::byte> a, std::span<const std::byte> b) const {
  const size_t row = shape_.heads * shape_.head_size;
  const std::optional<Layout> layout = LayoutOf(a, row * sizeof(ggml_fp16_t));
  const std::optional<Layout> same = LayoutOf(b, row * sizeof(ggml_fp16_t));
  if (!layout || !same || a.size() != b.size() || layout->keys != same->keys) return false;
  for (size_t cell = 0; cell < layout->cells; ++cell) {
    const size_t at = layout->positions + cell * kCellBytes;
    if (At<int32_t>(a, at) != At<int32_t>(b, at)) return false;
  }
  std::vector<ggml_fp16_t> halves(row);
  std::vector<float> one(row);
  std::vector<float> two(row);
  for (const size_t keys : layout->keys) {
    for (size_t cell = 0; cell < layout->cells; ++cell) {
      const size_t at = keys + cell * row * sizeof(ggml_fp16_t);
      std::memcpy(halves.data(), a.data() + at, row * sizeof(ggml_fp16_t));
      ggml_cpu_fp16_to_fp32(halves.data(), one.data(), static_cast<int64_t>(row));
      std::memcpy(halves.data(), b.data() + at, row * sizeof(ggml_fp16_t));
      ggml_cpu_fp16_to_fp32(halves.data(), two.data(), static_cast<int64_t>(row));
      float largest = 0;
      float difference = 0;
      for (size_t i = 0; i < row; ++i) {
        largest = std::max(largest, std::abs(one[i]));
        difference = std::max(difference, std::abs(one[i] - two[i]));
      }
      // Of f16 the last bit is 1/2,048.
      if (!(difference <= largest / 512)) return false;
    }
  }
  return true;
}

}  // namespace ragtime
