// SPDX-License-Identifier: Apache-2.0
//
// ProductCodes estimates the scores of rows from codes of a few bits for each part of a vector (product quantization,
// Jegou and others, 2011).
//
// Threads: immutable; may be called concurrently. Damaged bytes make estimates wrong, but nothing outside is read.
#ifndef RAGTIME_INDEX_IVF_PRODUCT_CODES_H_
#define RAGTIME_INDEX_IVF_PRODUCT_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/ivf/ivf_format.h"
#include "ragtime/index.h"

namespace ragtime {

class ProductCodes {
 public:
  // `bytes` hold what `layout` says and outlive it.
  ProductCodes(std::span<const std::byte> bytes, const IvfLayout& layout, const ProductShape& shape, bool l2)
      : shape_(shape),
        l2_(l2),
        codebooks_(reinterpret_cast<const float*>(bytes.data() + layout.codebooks)),
        offsets_(reinterpret_cast<const float*>(bytes.data() + layout.offsets)),
        codes_(reinterpret_cast<const uint8_t*>(bytes.data() + layout.products)) {}

  // What each value of each byte of the codes adds to an estimate: 256 numbers a byte.
  std::vector<float> Table(std::span<const float> query) const;
  // estimates[i] = about the score of the row at places[i], less what is the same for all rows of a list.
  void Estimate(const std::vector<float>& table, std::span<const uint32_t> places, float* estimates) const;

 private:
  const ProductShape shape_;
  const bool l2_;
  const float* const codebooks_;
  const float* const offsets_;  // -|x|^2 of the coded vector, of l2.
  const uint8_t* const codes_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_IVF_PRODUCT_CODES_H_
