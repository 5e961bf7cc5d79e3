// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/diskann_builder.h"

#include <cstring>
#include <vector>

#include "index/hnsw/hnsw_builder.h"

namespace ragtime {
Status WriteDiskann(const Context& context, VectorMatrix vectors, Metric metric, double norm_max,
                    const HnswParameters& parameters, uint32_t bits, const DiskannLayout& layout,
                    std::span<std::byte> bytes) {
  const HnswLayout& graph = layout.graph;
  std::vector<std::byte> linked(graph.size);
  CodedRows::Write(vectors, metric, graph.codes, linked);
  const CodedRows coded(linked, graph.codes, vectors, metric, norm_max);
  RAGTIME_RETURN_IF_ERROR(LinkRows(context, coded, metric, norm_max, parameters, graph, linked));

  const auto copy = [&](uint64_t to, uint64_t from, size_t size) {
    std::memcpy(bytes.data() + to, linked.data() + from, size);
  };
  copy(layout.mean, graph.codes.mean, vectors.dimension * sizeof(float));
  copy(layout.twins, graph.twins, vectors.rows * sizeof(uint32_t));
  copy(layout.rows, graph.rows, graph.places[0] * sizeof(uint32_t));
  for (size_t l = 0; l < graph.levels; ++l) {
    copy(layout.level_links[l], graph.level_links[l], size_t{graph.places[l]} * graph.links * sizeof(uint32_t));
  }
  RAGTIME_RETURN_IF_ERROR(context.Check());
  const std::span<const float> mean(reinterpret_cast<const float*>(bytes.data() + layout.mean), vectors.dimension);
  ShortCodes::Write(vectors, mean, metric, bits, reinterpret_cast<ShortRow*>(bytes.data() + layout.short_rows),
                    reinterpret_cast<uint8_t*>(bytes.data() + layout.short_codes));
  RAGTIME_RETURN_IF_ERROR(context.Check());

  const size_t links = 2 * size_t{graph.links};
  const auto* bottom = reinterpret_cast<const uint32_t*>(linked.data() + graph.bottom);
  for (uint32_t row = 0; row < vectors.rows; ++row) {
    std::byte* record = bytes.data() + layout.blocks + uint64_t{row / layout.records_per_block} * layout.block_bytes +
                        uint64_t{row % layout.records_per_block} * layout.record_bytes;
    const RecordHead head{.coded = coded.row(row), .row = row};
    std::memcpy(record, &head, sizeof(head));
    record += sizeof(head);
    std::memcpy(record, bottom + row * links, links * sizeof(uint32_t));
    record += links * sizeof(uint32_t);
    std::memcpy(record, coded.codes(row), CodedLayout::CodeStride(vectors.dimension));
  }
  return Status();
}

}  // namespace ragtime
