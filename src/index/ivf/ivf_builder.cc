// SPDX-License-Identifier: Apache-2.0
#include "index/ivf/ivf_builder.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "index/ivf/clusters.h"

namespace ragtime {
namespace {

// The rows list by list, and around which centre each lies.
struct Lists {
  std::vector<float> centres;
  std::vector<uint32_t> starts;
  std::vector<uint32_t> rows;
  std::vector<uint32_t> list_of_row;

  // What is left of a vector when its centre is taken away.
  float Rest(VectorMatrix vectors, uint32_t row, size_t at) const {
    const float value = vectors.data[size_t{row} * vectors.dimension + at];
    return centres.empty() ? value : value - CentreOf(vectors, row, at);
  }
  float CentreOf(VectorMatrix vectors, uint32_t row, size_t at) const {
    return centres.empty() ? 0.0f : centres[list_of_row[row] * vectors.dimension + at];
  }
};

template <typename T>
void Put(const std::vector<T>& values, uint64_t at, std::span<std::byte> bytes) {
  std::memcpy(bytes.data() + at, values.data(), values.size() * sizeof(T));
}

// So many products of numbers are done before other threads have begun.
constexpr uint64_t kWorkOfThread = 1 << 24;

Result<Lists> MakeLists(const Context& context, VectorMatrix vectors, Metric metric, uint32_t count, size_t threads) {
  if (uint64_t{vectors.rows} * vectors.dimension * count < kWorkOfThread) threads = 1;
  RAGTIME_ASSIGN_OR_RETURN(
      Clusters clusters,
      FindClusters(context, vectors, {.clusters = count, .directions = metric != Metric::kL2, .threads = threads}));
  Lists lists;
  lists.centres = std::move(clusters.centres);
  lists.list_of_row = std::move(clusters.nearest);
  lists.starts.resize(size_t{count} + 1);
  for (const uint32_t list : lists.list_of_row) ++lists.starts[list + 1];
  std::partial_sum(lists.starts.begin(), lists.starts.end(), lists.starts.begin());
  std::vector<uint32_t> ends(lists.starts.begin(), lists.starts.end() - 1);
  lists.rows.resize(vectors.rows);
  for (size_t r = 0; r < vectors.rows; ++r) lists.rows[ends[lists.list_of_row[r]]++] = static_cast<uint32_t>(r);
  return lists;
}

// Codes one part of all rows: their pieces are clustered, the centres are the codebook, the nearest one is the code.
class ProductCoder {
 public:
  ProductCoder(VectorMatrix vectors, const Lists& lists, const ProductShape& shape, const IvfLayout& layout,
               std::span<std::byte> bytes)
      : vectors_(vectors),
        lists_(lists),
        shape_(shape),
        codebooks_(reinterpret_cast<float*>(bytes.data() + layout.codebooks)),
        offsets_(reinterpret_cast<float*>(bytes.data() + layout.offsets)),
        codes_(reinterpret_cast<uint8_t*>(bytes.data() + layout.products)) {}

  // The parts whose codes share a byte.
  Status CodeByte(const Context& context, size_t byte) {
    const size_t end = std::min<size_t>((byte + 1) * shape_.parts_in_byte(), shape_.parts);
    for (size_t part = byte * shape_.parts_in_byte(); part < end; ++part) {
      RAGTIME_RETURN_IF_ERROR(CodePart(context, part));
    }
    return Status();
  }

  // What CodedRows' offset is for l2: of the coded vectors.
  void PutOffsets() {
    std::vector<float> coded(vectors_.dimension);
    for (size_t place = 0; place < vectors_.rows; ++place) {
      const uint8_t* const code = codes_ + place * shape_.code_bytes();
      float square = 0;
      for (size_t i = 0; i < vectors_.dimension; ++i) {
        const size_t part = i / shape_.width;
        const size_t shift = part % shape_.parts_in_byte() * shape_.bits;
        const size_t value = code[part / shape_.parts_in_byte()] >> shift & (shape_.values() - 1);
        const float x = lists_.CentreOf(vectors_, lists_.rows[place], i) + codebooks_[i * shape_.values() + value];
        square += x * x;
      }
      offsets_[place] = -square;
    }
  }

 private:
  Status CodePart(const Context& context, size_t part) {
    const size_t width = shape_.width;
    const size_t first = part * width;
    std::vector<float> pieces(vectors_.rows * width);
    for (size_t place = 0; place < vectors_.rows; ++place) {
      for (size_t i = 0; i < width && first + i < vectors_.dimension; ++i) {
        pieces[place * width + i] = lists_.Rest(vectors_, lists_.rows[place], first + i);
      }
    }
    RAGTIME_ASSIGN_OR_RETURN(const Clusters clusters, FindClusters(context, {pieces.data(), vectors_.rows, width},
                                                                   {.clusters = shape_.values(), .threads = 1}));
    for (size_t value = 0; value < shape_.values(); ++value) {
      for (size_t i = 0; i < width; ++i) {
        codebooks_[(first + i) * shape_.values() + value] = clusters.centres[value * width + i];
      }
    }
    const size_t byte = part / shape_.parts_in_byte();
    const size_t shift = part % shape_.parts_in_byte() * shape_.bits;
    for (size_t place = 0; place < vectors_.rows; ++place) {
      codes_[place * shape_.code_bytes() + byte] |= static_cast<uint8_t>(clusters.nearest[place] << shift);
    }
    return Status();
  }

  const VectorMatrix vectors_;
  const Lists& lists_;
  const ProductShape shape_;
  float* const codebooks_;
  float* const offsets_;
  uint8_t* const codes_;
};

// A part is small work for many threads, so that each thread has parts of its own.
Status CodeParts(const Context& context, ProductCoder& coder, size_t bytes, size_t threads) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  Status status;
  const auto work = [&] {
    for (size_t byte = next++; byte < bytes; byte = next++) {
      Status failed = coder.CodeByte(context, byte);
      if (failed.ok()) continue;
      const std::lock_guard lock(mutex);
      if (status.ok()) status = std::move(failed);
      next = bytes;
    }
  };
  {
    std::vector<std::jthread> others;
    const size_t count = threads > 0 ? threads : std::max<size_t>(std::thread::hardware_concurrency(), 1);
    for (size_t t = 1; t < std::min(count, bytes); ++t) others.emplace_back(work);
    work();
  }
  return status;
}

}  // namespace

Status FillIvf(const Context& context, VectorMatrix vectors, Metric metric, const IvfHeader& header, size_t threads,
               std::span<std::byte> bytes) {
  const IvfLayout layout = IvfLayout::Of(header);
  Lists lists;
  if (header.lists > 0) {
    RAGTIME_ASSIGN_OR_RETURN(lists, MakeLists(context, vectors, metric, header.lists, threads));
    Put(lists.centres, layout.centres, bytes);
    Put(lists.starts, layout.starts, bytes);
    Put(lists.rows, layout.rows, bytes);
  } else {
    lists.rows.resize(vectors.rows);
    std::iota(lists.rows.begin(), lists.rows.end(), 0);
  }
  if (layout.codes.size > 0) CodedRows::Write(vectors, metric, layout.codes, bytes);
  if (header.parts == 0) return Status();
  const ProductShape shape = ProductShape::Of(vectors.dimension, header.parts, header.bits);
  ProductCoder coder(vectors, lists, shape, layout, bytes);
  RAGTIME_RETURN_IF_ERROR(CodeParts(context, coder, shape.code_bytes(), threads));
  if (metric == Metric::kL2) coder.PutOffsets();
  return Status();
}

}  // namespace ragtime
