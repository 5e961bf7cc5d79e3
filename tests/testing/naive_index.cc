// SPDX-License-Identifier: Apache-2.0
#include "testing/naive_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ragtime {
namespace {

void KeepBestRows(std::vector<RowHit>& hits, size_t limit) {
  std::sort(hits.begin(), hits.end(),
            [](const RowHit& a, const RowHit& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; });
  hits.resize(std::min(limit, hits.size()));
}

class NaiveVectorIndex : public VectorIndex {
 public:
  NaiveVectorIndex(VectorMatrix vectors, Metric metric) : vectors_(vectors), metric_(metric) {}
  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& /*parameters*/) const override {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::vector<RowHit> hits;
    for (uint32_t row = 0; row < vectors_.rows; ++row) {
      if (selection.excluded.Contains(row)) continue;
      const auto score = static_cast<float>(NaiveVectorScore(query, vectors_.row(row), metric_));
      if (std::isnan(score)) return DataLossError("a vector is not a number");
      hits.push_back({row, score});
    }
    KeepBestRows(hits, limit);
    return hits;
  }

 private:
  const VectorMatrix vectors_;
  const Metric metric_;
};

class NaiveKeywordIndex : public KeywordIndex {
 public:
  NaiveKeywordIndex(std::vector<std::vector<std::string>> rows, Bm25Parameters parameters)
      : rows_(std::move(rows)), parameters_(parameters) {}
  Result<uint64_t> CountRows(std::string_view term, RowBitmap excluded) const override {
    uint64_t count = 0;
    for (uint32_t row = 0; row < rows_.size(); ++row) {
      if (!excluded.Contains(row)) count += std::find(rows_[row].begin(), rows_[row].end(), term) != rows_[row].end();
    }
    return count;
  }
  Status MarkRows(std::string_view term, std::span<uint64_t> rows) const override {
    for (uint32_t row = 0; row < rows_.size(); ++row) {
      if (std::find(rows_[row].begin(), rows_[row].end(), term) != rows_[row].end()) {
        rows[row / 64] |= uint64_t{1} << (row % 64);
      }
    }
    return Status();
  }
  Result<uint32_t> Length(uint32_t row) const override {
    if (row >= rows_.size()) return DataLossError("no such row");
    return static_cast<uint32_t>(rows_[row].size());
  }
  Result<std::vector<RowHit>> Search(const Context& context, std::span<const WeightedTerm> terms,
                                     const KeywordStatistics& statistics, size_t limit,
                                     const RowSelection& selection) const override {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::vector<RowHit> hits;
    for (uint32_t row = 0; row < rows_.size(); ++row) {
      const bool any = std::any_of(terms.begin(), terms.end(), [&](const WeightedTerm& term) {
        return std::find(rows_[row].begin(), rows_[row].end(), term.term) != rows_[row].end();
      });
      if (!any || selection.excluded.Contains(row)) continue;
      hits.push_back({row, static_cast<float>(NaiveBm25Score(rows_[row], terms, statistics, parameters_))});
    }
    KeepBestRows(hits, limit);
    return hits;
  }

 private:
  const std::vector<std::vector<std::string>> rows_;
  const Bm25Parameters parameters_;
};

void Append(uint32_t number, std::vector<std::byte>& out) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&number);
  out.insert(out.end(), bytes, bytes + sizeof(number));
}

bool Take(std::span<const std::byte>& rest, uint32_t& number) {
  if (rest.size() < sizeof(number)) return false;
  std::memcpy(&number, rest.data(), sizeof(number));
  rest = rest.subspan(sizeof(number));
  return true;
}

}  // namespace

double NaiveVectorScore(std::span<const float> a, std::span<const float> b, Metric metric) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += metric == Metric::kL2 ? -difference * difference : static_cast<double>(a[i]) * b[i];
  }
  return sum;
}

double NaiveBm25Score(std::span<const std::string> words, std::span<const WeightedTerm> terms,
                      const KeywordStatistics& statistics, const Bm25Parameters& parameters) {
  const auto [k1, b] = parameters;
  const auto nodes = static_cast<double>(statistics.nodes);
  const double average_length = static_cast<double>(statistics.tokens) / nodes;
  double score = 0;
  for (const WeightedTerm& term : terms) {
    const auto tf = static_cast<double>(std::count(words.begin(), words.end(), term.term));
    const auto df = static_cast<double>(term.nodes);
    if (tf == 0) continue;
    score += term.weight * std::log(1 + (nodes - df + 0.5) / (df + 0.5)) * tf * (k1 + 1) /
             (tf + k1 * (1 - b + b * static_cast<double>(words.size()) / average_length));
  }
  return score;
}

Result<std::vector<std::byte>> NaiveVectorIndexType::Build(const Context& /*context*/, VectorMatrix vectors,
                                                           Metric /*metric*/) const {
  std::vector<std::byte> bytes;
  Append(static_cast<uint32_t>(vectors.rows), bytes);
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> NaiveVectorIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                                Metric metric) const {
  uint32_t rows = 0;
  if (!Take(bytes, rows) || rows != vectors.rows) return DataLossError("a naive vector index is damaged");
  return std::unique_ptr<VectorIndex>(new NaiveVectorIndex(vectors, metric));
}

Result<std::vector<std::byte>> NaiveKeywordIndexType::Build(const TokenRows& rows) const {
  std::vector<std::byte> bytes;
  Append(static_cast<uint32_t>(rows.lengths.size()), bytes);
  size_t next = 0;
  for (const uint32_t length : rows.lengths) {
    Append(length, bytes);
    for (const uint32_t token : rows.tokens.subspan(std::exchange(next, next + length), length)) {
      const std::string_view word = rows.terms[token];
      Append(static_cast<uint32_t>(word.size()), bytes);
      const auto* text = reinterpret_cast<const std::byte*>(word.data());
      bytes.insert(bytes.end(), text, text + word.size());
    }
  }
  return bytes;
}

Result<std::unique_ptr<KeywordIndex>> NaiveKeywordIndexType::Open(std::span<const std::byte> bytes) const {
  const Status damaged = DataLossError("a naive keyword index is damaged");
  uint32_t count = 0;
  if (!Take(bytes, count)) return damaged;
  std::vector<std::vector<std::string>> rows;
  for (uint32_t row = 0; row < count; ++row) {
    uint32_t words = 0;
    if (!Take(bytes, words)) return damaged;
    rows.emplace_back();
    for (uint32_t i = 0; i < words; ++i) {
      uint32_t size = 0;
      if (!Take(bytes, size) || size > bytes.size()) return damaged;
      rows.back().emplace_back(reinterpret_cast<const char*>(bytes.data()), size);
      bytes = bytes.subspan(size);
    }
  }
  return std::unique_ptr<KeywordIndex>(new NaiveKeywordIndex(std::move(rows), parameters_));
}

IndexSet NaiveIndexes() {
  return {.vector = std::make_shared<NaiveVectorIndexType>(), .keyword = std::make_shared<NaiveKeywordIndexType>()};
}

}  // namespace ragtime
