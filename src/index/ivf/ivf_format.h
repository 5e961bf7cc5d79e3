// SPDX-License-Identifier: Apache-2.0
//
// IvfLayout says where each part of an index of type IVF_FLAT, IVF_SQ8, IVF_PQ or PQ lies in its bytes.
// docs/formats/index-ivf.md is the same in words.
#ifndef RAGTIME_INDEX_IVF_IVF_FORMAT_H_
#define RAGTIME_INDEX_IVF_IVF_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "index/kernels/coded_rows.h"

namespace ragtime {

inline constexpr char kIvfMagic[8] = {'R', 'T', 'L', 'I', 'S', 'T', '\r', '\n'};
inline constexpr uint32_t kIvfVersion = 1;
inline constexpr uint32_t kIvfListsMax = 65536;

struct IvfHeader {
  char magic[8];
  uint32_t version;
  uint32_t metric;  // 0 cosine, 1 inner product, 2 l2.
  uint64_t rows;
  uint32_t dimension;
  uint32_t kind;         // 0 IVF_FLAT, 1 IVF_SQ8, 2 IVF_PQ, 3 PQ.
  uint32_t lists;        // 0 of PQ, and where `trained` is 0.
  uint32_t parts;        // That a vector is cut into; 0 of IVF_FLAT and IVF_SQ8, and where `trained` is 0.
  uint32_t bits;         // Of the code of a part: 4 or 8; 0 where `parts` is.
  uint32_t trained;      // 0: too few rows, the header is all.
  double norm_max;       // No vector is longer.
  uint64_t header_hash;  // Hash64 of the bytes before it.
};
static_assert(sizeof(IvfHeader) == 64 && std::is_trivially_copyable_v<IvfHeader>);

// How product quantization cuts a vector: into `parts` of `width` numbers, the last filled up with zeros.
struct ProductShape {
  uint32_t parts = 0;
  uint32_t width = 0;
  uint32_t bits = 0;

  // At most `parts_wanted`: fewer where as few hold as much.
  static constexpr ProductShape Of(uint64_t dimension, uint64_t parts_wanted, uint32_t bits) {
    const uint64_t wanted = parts_wanted < dimension ? parts_wanted : dimension;
    const uint64_t width = (dimension + wanted - 1) / wanted;
    return {static_cast<uint32_t>((dimension + width - 1) / width), static_cast<uint32_t>(width), bits};
  }
  constexpr uint32_t values() const { return uint32_t{1} << bits; }
  constexpr uint32_t parts_in_byte() const { return 8 / bits; }
  constexpr uint32_t code_bytes() const { return (parts + parts_in_byte() - 1) / parts_in_byte(); }
};

struct IvfLayout {
  uint64_t centres = 0;    // float[lists][dimension]
  uint64_t starts = 0;     // uint32[lists + 1]: where each list starts in `rows`, and where the last ends.
  uint64_t rows = 0;       // uint32[rows]: the rows of list 0, ascending, of list 1 ...
  CodedLayout codes;       // Of IVF_SQ8, by row.
  uint64_t codebooks = 0;  // float[parts][width][values]
  uint64_t offsets = 0;    // float[rows], of l2 only
  uint64_t products = 0;   // uint8[rows][code_bytes], in the order of `rows`
  uint64_t size = 0;

  // Of a trained index. Cannot overflow: rows < 2^32, dimension and lists at most 2^16, parts at most dimension.
  static constexpr IvfLayout Of(const IvfHeader& header) {
    IvfLayout layout;
    layout.size = sizeof(IvfHeader);
    const auto take = [&layout](uint64_t bytes) {
      const uint64_t at = CodedLayout::Align(layout.size);
      layout.size = at + bytes;
      return at;
    };
    if (header.lists > 0) {
      layout.centres = take(uint64_t{header.lists} * header.dimension * sizeof(float));
      layout.starts = take((uint64_t{header.lists} + 1) * sizeof(uint32_t));
      layout.rows = take(header.rows * sizeof(uint32_t));
    }
    if (header.kind == 1) {
      layout.codes = CodedLayout::Of(CodedLayout::Align(layout.size), header.rows, header.dimension);
      layout.size = layout.codes.size;
    }
    if (header.parts > 0) {
      const ProductShape shape = ProductShape::Of(header.dimension, header.parts, header.bits);
      layout.codebooks = take(uint64_t{shape.parts} * shape.width * shape.values() * sizeof(float));
      if (header.metric == 2) layout.offsets = take(header.rows * sizeof(float));
      layout.products = take(header.rows * shape.code_bytes());
    }
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_IVF_IVF_FORMAT_H_
