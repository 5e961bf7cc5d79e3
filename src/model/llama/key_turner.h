// SPDX-License-Identifier: Apache-2.0
//
// KeyTurner moves a saved state of llama.cpp to other positions, in its bytes: it rewrites the positions and turns the
// keys as the model's rotary embedding (RoPE) does.
//
// llama.cpp itself turns moved keys at the next batch, and then looks at all cells, for one moved text as for many.
// Threads: may be called concurrently.
#ifndef RAGTIME_MODEL_LLAMA_KEY_TURNER_H_
#define RAGTIME_MODEL_LLAMA_KEY_TURNER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

// How a model turns its keys.
struct RopeShape {
  size_t heads = 0;  // Of keys.
  size_t head_size = 0;
  size_t turned = 0;       // Of head_size, the first so many.
  bool neighbours = true;  // Elements 2i and 2i + 1 are a pair; otherwise i and i + turned / 2.
  float base = 10000;
  float scale = 1;
};

class KeyTurner {
 public:
  explicit KeyTurner(RopeShape shape) : shape_(shape) {}

  // The state `by` positions further on. kFailedPrecondition: it is of another form than this shape with keys in f16.
  Result<std::vector<std::byte>> Move(std::span<const std::byte> state, ptrdiff_t by) const;
  // Whether two states are the same but for rounding: of the keys, by what is large in a row.
  bool AreAlike(std::span<const std::byte> a, std::span<const std::byte> b) const;

 private:
  const RopeShape shape_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_KEY_TURNER_H_
