// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/record_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ragtime {
namespace {

// Vectors that lie one behind the other are read together up to so many bytes.
constexpr size_t kRunBytes = 64 << 10;

}  // namespace

RecordSource::RecordSource(std::shared_ptr<DiskannShared> shared, const DiskannLayout& layout,
                           std::span<const std::byte> bytes, VectorMatrix vectors, std::optional<DiskFile> file,
                           const IndexFile& where, int64_t room)
    : shared_(std::move(shared)),
      layout_(layout),
      bytes_(bytes),
      vectors_(vectors),
      file_(std::move(file)),
      blocks_offset_(where.index_offset + layout.blocks),
      vectors_offset_(where.vectors_offset),
      room_(room),
      owner_(shared_->cache.NewOwner()) {
  shared_->cache.ChangeCapacity(room_);
}

RecordSource::~RecordSource() {
  shared_->cache.Forget(owner_);
  shared_->cache.ChangeCapacity(-room_);
}

Status RecordSource::ReadBlocks(std::span<const uint32_t> numbers, std::vector<Block>& blocks) const {
  blocks.assign(numbers.size(), nullptr);
  const size_t size = layout_.block_bytes;
  if (!file_) {
    for (size_t i = 0; i < numbers.size(); ++i) {
      // Lives as long as the index does.
      blocks[i] = Block(Block(), bytes_.data() + layout_.blocks + uint64_t{numbers[i]} * size);
    }
    return Status();
  }
  std::vector<FilePiece> pieces;
  std::vector<std::pair<size_t, std::shared_ptr<std::byte[]>>> missing;
  for (size_t i = 0; i < numbers.size(); ++i) {
    blocks[i] = shared_->cache.Find(owner_, numbers[i]);
    if (blocks[i] != nullptr) continue;
    auto block = std::make_shared_for_overwrite<std::byte[]>(size);
    pieces.push_back({blocks_offset_ + uint64_t{numbers[i]} * size, {block.get(), size}});
    missing.push_back({i, std::move(block)});
  }
  if (pieces.empty()) return Status();
  RAGTIME_RETURN_IF_ERROR(shared_->reader.Read(*file_, pieces));
  for (auto& [i, block] : missing) {
    blocks[i] = std::move(block);
    shared_->cache.Insert(owner_, numbers[i], blocks[i], size);
  }
  return Status();
}

Status RecordSource::ReadVectors(std::span<const uint32_t> rows, std::vector<float>& vectors) const {
  const size_t dimension = vectors_.dimension;
  vectors.resize(rows.size() * dimension);
  if (!file_) {
    for (size_t i = 0; i < rows.size(); ++i) {
      std::copy_n(vectors_.row(rows[i]).data(), dimension, vectors.data() + i * dimension);
    }
    return Status();
  }
  const size_t run_max = std::max<size_t>(kRunBytes / (dimension * sizeof(float)), 1);
  std::vector<FilePiece> pieces;
  for (size_t i = 0; i < rows.size();) {
    size_t count = 1;
    while (i + count < rows.size() && count < run_max && rows[i + count] == rows[i] + count) ++count;
    pieces.push_back({vectors_offset_ + uint64_t{rows[i]} * dimension * sizeof(float),
                      std::as_writable_bytes(std::span(vectors).subspan(i * dimension, count * dimension))});
    i += count;
  }
  return shared_->reader.Read(*file_, pieces);
}

}  // namespace ragtime
