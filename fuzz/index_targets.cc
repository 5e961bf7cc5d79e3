// SPDX-License-Identifier: Apache-2.0
#include "index_targets.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/hash.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_format.h"
#include "index/flat/flat_index.h"
#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kRows = 300;
constexpr size_t kDimension = 20;

void Require(bool condition) {
  if (!condition) std::abort();
}

VectorMatrix Vectors() {
  static const std::vector<float> data = [] {
    std::vector<float> values(kRows * kDimension);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 2654435761u % 1000) / 1000 - 0.4f;
    return values;
  }();
  return {data.data(), kRows, kDimension};
}

// Indexes must be aligned, and the sanitizer should see the first byte behind them: a copy of just that size. The
// header's hash is set right, since it would otherwise keep every mutation out.
template <typename Header, typename Hash>
std::vector<std::byte> WithRightHash(std::span<const std::byte> bytes, Hash hash) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (copy.size() < sizeof(Header)) return copy;
  Header header;
  std::memcpy(&header, copy.data(), sizeof(header));
  header.header_hash = hash(header);
  std::memcpy(copy.data(), &header, sizeof(header));
  return copy;
}

void RequireOrdered(const std::vector<RowHit>& hits, size_t limit, uint64_t rows) {
  Require(hits.size() <= limit);
  for (const RowHit& hit : hits) Require(hit.row < rows);
}

}  // namespace

bool UseAsFlatIndex(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<FlatHeader>(bytes, [](const FlatHeader& header) {
    return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FlatHeader, header_hash)));
  });
  bool opened = false;
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    auto index = FlatIndexType().Open(copy, Vectors(), metric);
    if (!index.ok()) continue;
    opened = true;
    for (const size_t limit : {size_t{1}, size_t{10}, size_t{1000}}) {
      auto hits = (*index)->Search({}, Vectors().row(7), limit, {});
      Require(hits.ok());
      RequireOrdered(*hits, limit, kRows);
    }
  }
  return opened;
}

bool UseAsBm25Index(std::span<const std::byte> bytes) {
  const auto copy = WithRightHash<Bm25Header>(bytes, Bm25HeaderHash);
  auto index = Bm25IndexType().Open(copy);
  if (!index.ok()) return false;
  Bm25Header header;
  std::memcpy(&header, copy.data(), sizeof(header));
  const uint64_t excluded[] = {0x5555};
  std::vector<WeightedTerm> terms;
  for (const char* term : {"a", "b", "abc", "the", "zz", ""}) {
    const auto count = (*index)->CountRows(term, RowBitmap{excluded});
    Require(count.ok() || count.status().code() == StatusCode::kDataLoss);
    terms.push_back({term, 1, count.ok() ? *count : 0});
  }
  const auto hits = (*index)->Search({}, terms, {header.rows, header.tokens}, 10, RowBitmap{excluded});
  Require(hits.ok() || hits.status().code() == StatusCode::kDataLoss);
  if (hits.ok()) RequireOrdered(*hits, 10, header.rows);
  for (const uint32_t row : {0u, 100u, UINT32_MAX}) Require((*index)->Length(row).ok() == (row < header.rows));
  return true;
}

void UseAsText(std::string_view text) {
  const std::vector<std::string> words = SplitWords(text);
  for (const std::string& word : words) {
    Require(!word.empty() && word.size() <= kWordSizeMax && FindInvalidUtf8(word) == std::string_view::npos);
  }
  // A question that quotes a text finds it.
  for (const std::string& word : QueryWords(text)) Require(std::find(words.begin(), words.end(), word) != words.end());
}

std::vector<std::byte> FlatSeed() { return *FlatIndexType().Build(Vectors(), Metric::kCosine); }

std::vector<std::byte> Bm25Seed() {
  std::vector<std::vector<std::string>> rows(300);
  const char* words[] = {"a", "b", "abc", "the", "zz", "more", "x", "y"};
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < r % 9; ++i) rows[r].push_back(words[(r * 7 + i * i) % std::size(words)]);
  }
  return *Bm25IndexType().Build(rows);
}

}  // namespace ragtime
