// SPDX-License-Identifier: Apache-2.0
//
// The layout of GGUF's type Q4_0: a row is cut into blocks, each an fp16 scale, then 32 values of 4 bits, value j in
// the low half of byte j, value 16 + j in its high half. A value stands for scale * (value - 8).
#ifndef RAGTIME_MODEL_Q4_BLOCK_H_
#define RAGTIME_MODEL_Q4_BLOCK_H_

#include <cstddef>
#include <cstdint>

namespace ragtime {

inline constexpr size_t kQ4BlockValues = 32;
inline constexpr size_t kQ4BlockBytes = 18;

// From IEEE's 16-bit format.
float HalfToFloat(uint16_t half);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_Q4_BLOCK_H_
