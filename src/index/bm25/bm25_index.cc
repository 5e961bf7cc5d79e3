// SPDX-License-Identifier: Apache-2.0
#include "index/bm25/bm25_index.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "base/str_cat.h"
#include "index/bm25/block_kernels.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/bm25_search.h"
#include "index/bm25/postings.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "Build the index again from the texts.";

// Looking a listed row up in a term costs about as much as scoring this many rows of it.
constexpr uint64_t kRowsPerLookUp = 8;

// Looking this many rows up in a block takes as long as looking all of its rows up in a bitmap.
constexpr size_t kLookUpsPerBlock = 12;
constexpr size_t kDenseWords = 16;

// Whether `rows` holds one of [first, last].
bool ContainsAny(RowBitmap rows, uint64_t first, uint64_t last) {
  const uint64_t end = std::min<uint64_t>(last / 64 + 1, rows.words.size());
  for (uint64_t word = first / 64; word < end; ++word) {
    uint64_t here = rows.words[word];
    if (word == first / 64) here &= ~uint64_t{0} << (first % 64);
    if (word == last / 64) here &= ~uint64_t{0} >> (63 - last % 64);
    if (here != 0) return true;
  }
  return false;
}

// How many rows of the block are in `rows`. Looks at the shorter side: few rows of the bitmap are looked up in the
// block, which is dense where its words are few.
size_t CountIn(RowBitmap rows, const DecodedBlock& block) {
  const size_t begin = block.rows[0] / 64;
  const size_t end = std::min<size_t>(block.rows[block.size - 1] / 64 + 1, rows.words.size());
  size_t found = 0;
  size_t in_bitmap = std::numeric_limits<size_t>::max();
  if (end - std::min(begin, end) <= kDenseWords) {
    in_bitmap = 0;
    for (size_t word = begin; word < end; ++word) in_bitmap += static_cast<size_t>(std::popcount(rows.words[word]));
  }
  if (in_bitmap > kLookUpsPerBlock) {
    for (size_t i = 0; i < block.size && block.rows[i] / 64 < end; ++i) {
      found += rows.words[block.rows[i] / 64] >> (block.rows[i] % 64) & 1;
    }
    return found;
  }
  const BlockKernels& kernels = BestBlockKernels();
  for (size_t word = begin; word < end; ++word) {
    for (uint64_t bits = rows.words[word]; bits != 0; bits &= bits - 1) {
      const auto row = static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
      const size_t at = kernels.count_below(block.rows, row);
      found += at < block.size && block.rows[at] == row;
    }
  }
  return found;
}

class Bm25Index final : public KeywordIndex {
 public:
  // `bytes` have the size that Bm25Layout gives for `header`, checked by Open.
  Bm25Index(std::span<const std::byte> bytes, const Bm25Header& header, Bm25Parameters parameters)
      : header_(header),
        k1_(parameters.k1),
        b_(parameters.b),
        slot_format_(header.records_size, header.slot_bytes),
        slots_(bytes.data() + Bm25Layout::Of(header).slots),
        lengths_(bytes.data() + Bm25Layout::Of(header).lengths, header.length_bytes),
        records_(bytes.subspan(Bm25Layout::Of(header).records, header.records_size)) {}

  Result<uint64_t> CountRows(std::string_view term, RowBitmap excluded) const override {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<TermPostings> postings, Find(term));
    if (!postings) return uint64_t{0};
    uint64_t count = postings->rows();
    if (excluded.words.empty()) return count;
    DecodedBlock block;
    for (size_t b = 0; b < postings->blocks(); ++b) {
      if (!ContainsAny(excluded, postings->first_row(b), postings->last_row(b))) continue;
      RAGTIME_RETURN_IF_ERROR(postings->Decode(b, block));
      count -= CountIn(excluded, block);
    }
    return count;
  }

  Status MarkRows(std::string_view term, std::span<uint64_t> rows) const override {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<TermPostings> postings, Find(term));
    if (!postings) return Status();
    if (rows.size() * 64 < header_.rows) return InvalidArgumentError("there are fewer bits than rows");
    DecodedBlock block;
    for (size_t b = 0; b < postings->blocks(); ++b) {
      RAGTIME_RETURN_IF_ERROR(postings->Decode(b, block));
      for (size_t i = 0; i < block.size; ++i) rows[block.rows[i] / 64] |= uint64_t{1} << (block.rows[i] % 64);
    }
    return Status();
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
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<TermMatch> matches, FindAll(terms, statistics));
    if (limit == 0 || matches.empty()) return std::vector<RowHit>();
    const double average_length = statistics.nodes > 0 && statistics.tokens > 0
                                      ? static_cast<double>(statistics.tokens) / static_cast<double>(statistics.nodes)
                                      : 1.0;
    const Bm25Query query = {.terms = matches,
                             .formula = {.length_free = k1_ * (1.0 - b_), .length_factor = k1_ * b_ / average_length},
                             .lengths = lengths_,
                             .rows = header_.rows,
                             .limit = limit,
                             .selection = selection};
    if (selection.listed) {
      uint64_t rows = 0;
      for (const TermMatch& match : matches) rows += match.postings.rows();
      if (selection.listed->size() * matches.size() * kRowsPerLookUp <= rows) return SearchListed(context, query);
    }
    const bool bounded =
        query.formula.monotonic() && std::all_of(matches.begin(), matches.end(), [](const TermMatch& match) {
          return match.gain > 0 && match.gain < std::numeric_limits<double>::infinity();
        });
    return bounded ? SearchBest(context, query) : SearchAll(context, query);
  }

 private:
  // The terms that this index holds, in the order given.
  Result<std::vector<TermMatch>> FindAll(std::span<const WeightedTerm> terms,
                                         const KeywordStatistics& statistics) const {
    std::vector<TermMatch> matches;
    matches.reserve(terms.size());
    for (const WeightedTerm& term : terms) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<TermPostings> postings, Find(term.term));
      if (!postings) continue;
      // Statistics that are behind the index must not make the logarithm's argument negative.
      const double nodes = static_cast<double>(std::max(statistics.nodes, term.nodes));
      const double rows = static_cast<double>(term.nodes);
      const double idf = std::log(1.0 + (nodes - rows + 0.5) / (rows + 0.5));
      matches.push_back({*postings, term.weight * idf * (k1_ + 1.0)});
    }
    return matches;
  }

  Result<std::optional<TermPostings>> Find(std::string_view term) const {
    const uint64_t hash = Hash64(term);
    uint64_t i = Bm25Slots::FirstSlot(hash, header_.slots);
    for (uint64_t seen = 0; seen < header_.slots; ++seen) {
      uint64_t slot = 0;
      std::memcpy(&slot, slots_ + i * header_.slot_bytes, header_.slot_bytes);
      if (slot == 0) break;
      if (slot_format_.Fits(slot, hash)) {
        RAGTIME_ASSIGN_OR_RETURN(const TermPostings postings,
                                 TermPostings::Read(records_, slot_format_.Offset(slot), header_.rows));
        if (postings.term() == term) return std::optional<TermPostings>(postings);
      }
      i = i + 1 < header_.slots ? i + 1 : 0;
    }
    return std::optional<TermPostings>();
  }

  const Bm25Header header_;
  const double k1_;
  const double b_;
  const Bm25Slots slot_format_;
  const std::byte* slots_;
  const RowLengths lengths_;
  const std::span<const std::byte> records_;
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
  const bool widths_known = (header.length_bytes == 1 || header.length_bytes == 2 || header.length_bytes == 4) &&
                            (header.slot_bytes == 4 || header.slot_bytes == 8);
  if (header.version != kBm25Version || header.header_hash != Bm25HeaderHash(header) || !widths_known ||
      header.rows >= kLimit || header.slots == 0 || header.slots >= kLimit || header.terms >= header.slots ||
      header.records_size < kRecordsPadding || header.records_size > std::min(bytes.size(), kRecordsSizeMax)) {
    return DataLossError("the header of the BM25 index is damaged", kRemedy);
  }
  const uint64_t size = Bm25Layout::Of(header).size;
  if (bytes.size() != size) {
    return DataLossError(StrCat("the BM25 index has a wrong size: ", bytes.size(), " bytes, expected ", size), kRemedy);
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t) != 0) {
    return InvalidArgumentError("the bytes of a BM25 index must be aligned");
  }
  return std::unique_ptr<KeywordIndex>(new Bm25Index(bytes, header, parameters_));
}

}  // namespace ragtime
