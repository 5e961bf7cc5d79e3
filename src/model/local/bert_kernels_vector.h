// SPDX-License-Identifier: Apache-2.0
//
// The kernels that are the same for every vector width, in the compiler's portable vectors. Each bert_kernels_*.cc
// includes this page once, with RAGTIME_LANES set and its own instruction set switched on. Everything here has
// internal linkage and no standard template is used: the linker must never pick a copy made for another processor.
#ifndef RAGTIME_MODEL_LOCAL_BERT_KERNELS_VECTOR_H_
#define RAGTIME_MODEL_LOCAL_BERT_KERNELS_VECTOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "model/local/bert_kernels.h"

namespace ragtime {
namespace {

constexpr size_t kLanes = RAGTIME_LANES;
typedef float Floats __attribute__((vector_size(4 * RAGTIME_LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * RAGTIME_LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * RAGTIME_LANES)));
typedef int8_t Bytes __attribute__((vector_size(RAGTIME_LANES)));

inline Floats Load(const float* x) {
  Floats v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}
inline void Store(float* x, Floats v) { __builtin_memcpy(x, &v, sizeof v); }
inline Floats Spread(float x) { return Floats{} + x; }
inline Floats Largest(Floats a, Floats b) { return a > b ? a : b; }
inline Floats Magnitude(Floats a) { return reinterpret_cast<Floats>(reinterpret_cast<Bits>(a) & 0x7fffffffu); }

template <typename V>
inline auto Sum(V v) {
  auto sum = v[0];
  for (size_t i = 1; i < kLanes; ++i) sum += v[i];
  return sum;
}
inline float Largest(Floats v) {
  float largest = v[0];
  for (size_t i = 1; i < kLanes; ++i) largest = v[i] > largest ? v[i] : largest;
  return largest;
}

// Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits. In unsigned arithmetic: a damaged model
// gives numbers that are not finite, and any integer will do for them.
constexpr float kRounder = 12582912.0f;
inline Bits RoundToBits(Floats x) { return reinterpret_cast<Bits>(x + kRounder) - 0x4b400000u; }

// For x <= 0; relative error below 3e-7. exp(x) = 2^n * exp(r), |r| <= ln(2) / 2, Taylor's series for exp(r).
inline Floats Exp(Floats x) {
  x = Largest(x, Spread(-87.0f));
  const Floats shifted = x * 1.44269504f + kRounder;
  const Floats n = shifted - kRounder;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Bits power = (reinterpret_cast<Bits>(shifted) << 23) + (127u << 23);
  return p * reinterpret_cast<Floats>(power);
}

void Quantize(const float* x, size_t columns, QuantizedRows row) {
  for (size_t block = 0; block < columns / kQ4BlockValues; ++block) {
    const float* values = x + block * kQ4BlockValues;
    Floats magnitude = Magnitude(Load(values));
    for (size_t i = kLanes; i < kQ4BlockValues; i += kLanes)
      magnitude = Largest(magnitude, Magnitude(Load(values + i)));
    const float largest = Largest(magnitude);
    const float scale = largest / 127.0f;
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
    Bits sum{};
    for (size_t i = 0; i < kQ4BlockValues; i += kLanes) {
      const Bits rounded = RoundToBits(Load(values + i) * inverse);
      sum += rounded;
      const Bytes narrow = __builtin_convertvector(reinterpret_cast<Ints>(rounded), Bytes);
      __builtin_memcpy(row.values + block * kQ4BlockValues + i, &narrow, sizeof narrow);
    }
    row.scales[block] = scale;
    row.offsets[block] = static_cast<int32_t>(-8u * Sum(sum));
  }
}

void AddNorm(float* x, const float* y, const float* weight, const float* bias, size_t columns, float epsilon) {
  Floats sum{};
  for (size_t i = 0; i < columns; i += kLanes) {
    Floats v = Load(x + i);
    if (y != nullptr) v += Load(y + i);
    Store(x + i, v);
    sum += v;
  }
  const float mean = Sum(sum) / static_cast<float>(columns);
  Floats squares{};
  for (size_t i = 0; i < columns; i += kLanes) {
    const Floats v = Load(x + i) - mean;
    squares += v * v;
  }
  const float inverse = 1.0f / __builtin_sqrtf(Sum(squares) / static_cast<float>(columns) + epsilon);
  for (size_t i = 0; i < columns; i += kLanes) {
    Store(x + i, (Load(x + i) - mean) * inverse * Load(weight + i) + Load(bias + i));
  }
}

// erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
void Gelu(float* x, size_t columns) {
  for (size_t i = 0; i < columns; i += kLanes) {
    const Floats v = Load(x + i);
    const Floats y = Magnitude(v) * 0.707106781f;
    const Floats t = 1.0f / (y * 0.3275911f + 1.0f);
    Floats p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const Floats tail = p * t * Exp(-(y * y));  // 1 - erf(y)
    const Floats positive = 2.0f - tail;
    Store(x + i, v * 0.5f * (v > 0.0f ? positive : tail));
  }
}

// scores[i][j] = <query i, key j> for 4 queries; keys stand column by column, `padded` apart.
inline void Scores(const float* const queries[4], const float* keys, size_t padded, size_t head_size, float scale,
                   float* scores) {
  for (size_t j = 0; j < padded; j += 2 * kLanes) {
    Floats sums[4][2] = {};
    for (size_t d = 0; d < head_size; ++d) {
      const Floats key0 = Load(keys + d * padded + j);
      const Floats key1 = Load(keys + d * padded + j + kLanes);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) {
        const Floats query = Spread(queries[i][d]);
        sums[i][0] += query * key0;
        sums[i][1] += query * key1;
      }
    }
    for (size_t i = 0; i < 4; ++i) {
      Store(scores + i * padded + j, sums[i][0] * scale);
      Store(scores + i * padded + j + kLanes, sums[i][1] * scale);
    }
  }
}

// Turns a row of scores into exp(score - largest) and returns 1 / their sum. Past `tokens` the row becomes 0.
inline float Soften(float* scores, size_t tokens, size_t padded) {
  for (size_t j = tokens; j < padded; ++j) scores[j] = -1e30f;
  Floats largest = Load(scores);
  for (size_t j = kLanes; j < padded; j += kLanes) largest = Largest(largest, Load(scores + j));
  const float top = Largest(largest);
  Floats sum{};
  for (size_t j = 0; j < padded; j += kLanes) {
    const Floats e = Exp(Load(scores + j) - top);
    sum += e;
    Store(scores + j, e);
  }
  return 1.0f / Sum(sum);
}

void Attend(const AttentionHead& head, float* scratch) {
  const size_t padded = (head.tokens + 2 * kLanes - 1) / (2 * kLanes) * (2 * kLanes);
  float* keys = scratch;
  float* scores = scratch + head.head_size * padded;
  for (size_t d = 0; d < head.head_size; ++d) {
    for (size_t j = head.tokens; j < padded; ++j) keys[d * padded + j] = 0.0f;
  }
  for (size_t j = 0; j < head.tokens; ++j) {
    for (size_t d = 0; d < head.head_size; ++d) keys[d * padded + j] = head.key[j * head.stride + d];
  }
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head.head_size));
  for (size_t first = 0; first < head.tokens; first += 4) {
    // A last group of fewer than 4 computes its last row again; the results are equal.
    const float* queries[4];
    float* rows[4];
    float inverse[4];
    for (size_t i = 0; i < 4; ++i) {
      const size_t row = first + i < head.tokens ? first + i : head.tokens - 1;
      queries[i] = head.query + row * head.stride;
      rows[i] = head.out + row * head.stride;
    }
    Scores(queries, keys, padded, head.head_size, scale, scores);
    for (size_t i = 0; i < 4; ++i) inverse[i] = Soften(scores + i * padded, head.tokens, padded);
    for (size_t d = 0; d < head.head_size; d += 2 * kLanes) {
      Floats sums[4][2] = {};
      for (size_t j = 0; j < head.tokens; ++j) {
        const Floats value0 = Load(head.value + j * head.stride + d);
        const Floats value1 = Load(head.value + j * head.stride + d + kLanes);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; ++i) {
          const Floats weight = Spread(scores[i * padded + j]);
          sums[i][0] += weight * value0;
          sums[i][1] += weight * value1;
        }
      }
      for (size_t i = 0; i < 4; ++i) {
        Store(rows[i] + d, sums[i][0] * inverse[i]);
        Store(rows[i] + d + kLanes, sums[i][1] * inverse[i]);
      }
    }
  }
}

}  // namespace
}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_BERT_KERNELS_VECTOR_H_
