// SPDX-License-Identifier: Apache-2.0
#include "index/bm25/bm25_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/str_cat.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/postings.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "Build the index again from the texts.";

// Rows are scored in windows whose sums stay in the nearest cache: 4,096 doubles are 32 KiB. A whole number of words of
// a RowBitmap.
constexpr size_t kWindowRows = 4096;

// A term of the question on its way through its postings.
struct TermCursor {
  PostingsReader reader;
  double gain = 0;  // weight * idf * (k1 + 1)
  size_t next = 0;  // In the reader's block.

  // Leaves the cursor at a posting, or at the end with reader.size() == 0.
  Status SkipToPosting() {
    if (next < reader.size()) return Status();
    next = 0;
    return reader.Next();
  }
};

// The sums of one window, and which of its rows hold a term: a sum alone cannot say that, since a weight may be 0.
struct Window {
  std::array<double, kWindowRows> sums = {};
  std::array<uint64_t, kWindowRows / 64> touched = {};
};

class Bm25Index final : public KeywordIndex {
 public:
  // `bytes` have the size that Bm25Layout gives for `header`, checked by Open.
  Bm25Index(std::span<const std::byte> bytes, const Bm25Header& header, Bm25Parameters parameters)
      : header_(header), k1_(parameters.k1), b_(parameters.b) {
    const Bm25Layout layout = Bm25Layout::Of(header);
    lengths_ = {reinterpret_cast<const uint32_t*>(bytes.data() + layout.lengths), header.rows};
    entries_ = {reinterpret_cast<const Bm25Entry*>(bytes.data() + layout.entries), header.terms + 1};
    strings_ = {reinterpret_cast<const char*>(bytes.data() + layout.strings), header.strings_size};
    postings_ = bytes.subspan(layout.postings, header.postings_size);
  }

  Result<uint64_t> CountRows(std::string_view term, RowBitmap excluded) const override {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> found, Find(term));
    if (!found) return uint64_t{0};
    RAGTIME_ASSIGN_OR_RETURN(PostingsReader reader, Read(*found));
    if (excluded.words.empty()) return uint64_t{entries_[*found].rows};
    uint64_t count = 0;
    for (;;) {
      RAGTIME_RETURN_IF_ERROR(reader.Next());
      if (reader.size() == 0) return count;
      for (size_t i = 0; i < reader.size(); ++i) count += !excluded.Contains(reader.row(i));
    }
  }

  Result<uint32_t> Length(uint32_t row) const override {
    if (row >= header_.rows) {
      return InvalidArgumentError(StrCat("the BM25 index has no such row: ", row, ", rows ", header_.rows));
    }
    return lengths_[row];
  }

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const WeightedTerm> terms,
                                     const KeywordStatistics& statistics, size_t limit,
                                     const RowSelection& selection) const override {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<TermCursor> cursors, OpenCursors(terms, statistics));
    if (limit == 0 || cursors.empty()) return std::vector<RowHit>();
    const double average_length = statistics.nodes > 0 && statistics.tokens > 0
                                      ? static_cast<double>(statistics.tokens) / static_cast<double>(statistics.nodes)
                                      : 1.0;
    const double length_factor = k1_ * b_ / average_length;
    TopHits top(limit);
    auto window = std::make_unique<Window>();
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t next_row, NextRow(cursors));
      if (next_row == UINT64_MAX) return top.Take();
      const uint64_t start = next_row / kWindowRows * kWindowRows;  // Windows that hold no term are passed over.
      RAGTIME_RETURN_IF_ERROR(context.Check());
      for (TermCursor& cursor : cursors) RAGTIME_RETURN_IF_ERROR(AddTerm(cursor, start, length_factor, *window));
      TakeWindow(start, selection.excluded, *window, top);
    }
  }

 private:
  // The terms that this index holds, in the order given.
  Result<std::vector<TermCursor>> OpenCursors(std::span<const WeightedTerm> terms,
                                              const KeywordStatistics& statistics) const {
    std::vector<TermCursor> cursors;
    for (const WeightedTerm& term : terms) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> found, Find(term.term));
      if (!found) continue;
      RAGTIME_ASSIGN_OR_RETURN(PostingsReader reader, Read(*found));
      // Statistics that are behind the index must not make the logarithm's argument negative.
      const double nodes = static_cast<double>(std::max(statistics.nodes, term.nodes));
      const double rows = static_cast<double>(term.nodes);
      const double idf = std::log(1.0 + (nodes - rows + 0.5) / (rows + 0.5));
      cursors.push_back({std::move(reader), term.weight * idf * (k1_ + 1.0)});
    }
    return cursors;
  }

  // The least row that any cursor stands at; UINT64_MAX if all are at their ends.
  static Result<uint64_t> NextRow(std::vector<TermCursor>& cursors) {
    uint64_t least = UINT64_MAX;
    for (TermCursor& cursor : cursors) {
      RAGTIME_RETURN_IF_ERROR(cursor.SkipToPosting());
      if (cursor.reader.size() > 0) least = std::min<uint64_t>(least, cursor.reader.row(cursor.next));
    }
    return least;
  }

  Status AddTerm(TermCursor& cursor, uint64_t start, double length_factor, Window& window) const {
    const double length_free = k1_ * (1.0 - b_);
    const uint64_t end = start + kWindowRows;
    for (;;) {
      RAGTIME_RETURN_IF_ERROR(cursor.SkipToPosting());
      const size_t size = cursor.reader.size();
      if (size == 0) return Status();
      size_t i = cursor.next;
      for (; i < size && cursor.reader.row(i) < end; ++i) {
        const uint32_t row = cursor.reader.row(i);
        const double count = cursor.reader.count(i);
        const size_t slot = row - start;
        window.sums[slot] += cursor.gain * count / (count + length_free + length_factor * lengths_[row]);
        window.touched[slot / 64] |= uint64_t{1} << (slot % 64);
      }
      cursor.next = i;
      if (i < size) return Status();
    }
  }

  // Offers the rows of the window and clears it.
  static void TakeWindow(uint64_t start, RowBitmap excluded, Window& window, TopHits& top) {
    for (size_t w = 0; w < window.touched.size(); ++w) {
      const size_t word = start / 64 + w;
      const uint64_t touched = window.touched[w];
      const uint64_t wanted = word < excluded.words.size() ? touched & ~excluded.words[word] : touched;
      window.touched[w] = 0;
      for (uint64_t bits = touched; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(bits));
        double& sum = window.sums[w * 64 + bit];
        if (wanted >> bit & 1) top.Offer({static_cast<uint32_t>(start + w * 64 + bit), static_cast<float>(sum)});
        sum = 0;
      }
    }
  }

  Result<std::string_view> Term(size_t entry) const {
    const uint32_t start = entries_[entry].string;
    const uint32_t end = entries_[entry + 1].string;
    if (start > end || end > strings_.size()) return DataLossError("the words of the BM25 index are damaged", kRemedy);
    return strings_.substr(start, end - start);
  }

  Result<std::optional<size_t>> Find(std::string_view term) const {
    size_t low = 0;
    size_t high = header_.terms;
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      RAGTIME_ASSIGN_OR_RETURN(const std::string_view here, Term(middle));
      if (here == term) return std::optional<size_t>(middle);
      if (here < term) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return std::optional<size_t>();
  }

  Result<PostingsReader> Read(size_t entry) const {
    const uint64_t start = entries_[entry].postings;
    const uint64_t end = entries_[entry + 1].postings;
    if (start > end || end > postings_.size() - kPostingsPadding || entries_[entry].rows > header_.rows) {
      return DataLossError("the postings of the BM25 index are damaged", kRemedy);
    }
    return PostingsReader(postings_.subspan(start, end - start + kPostingsPadding), entries_[entry].rows, header_.rows);
  }

  const Bm25Header header_;
  const double k1_;
  const double b_;
  std::span<const uint32_t> lengths_;
  std::span<const Bm25Entry> entries_;
  std::string_view strings_;
  std::span<const std::byte> postings_;
};

}  // namespace

uint32_t Bm25IndexType::version() const { return kBm25Version; }

Result<std::unique_ptr<KeywordIndex>> Bm25IndexType::Open(std::span<const std::byte> bytes) const {
  Bm25Header header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the BM25 index is truncated: ", bytes.size(), " bytes"), kRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kBm25Magic), std::end(kBm25Magic), header.magic)) {
    return DataLossError("the bytes are not a BM25 index", kRemedy);
  }
  if (header.version > kBm25Version) {
    return FailedPreconditionError(
        StrCat("the BM25 index was written by a newer version: format ", header.version, ", known ", kBm25Version),
        "Use a newer ragtime, or build the index again.");
  }
  constexpr uint64_t kLimit = uint64_t{1} << 32;
  if (header.version != kBm25Version || header.header_hash != Bm25HeaderHash(header) || header.rows >= kLimit ||
      header.terms >= kLimit || header.strings_size >= kLimit || header.postings_size < kPostingsPadding ||
      header.postings_size > bytes.size()) {
    return DataLossError("the header of the BM25 index is damaged", kRemedy);
  }
  const uint64_t size = Bm25Layout::Of(header).size;
  if (bytes.size() != size) {
    return DataLossError(StrCat("the BM25 index has a wrong size: ", bytes.size(), " bytes, expected ", size), kRemedy);
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(Bm25Entry) != 0) {
    return InvalidArgumentError("the bytes of a BM25 index must be aligned");
  }
  return std::unique_ptr<KeywordIndex>(new Bm25Index(bytes, header, parameters_));
}

}  // namespace ragtime
