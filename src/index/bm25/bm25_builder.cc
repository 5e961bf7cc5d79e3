// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/bm25_index.h"
#include "index/bm25/postings.h"

namespace ragtime {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 32;  // Of rows, and of the bytes of all terms.

// For each term how many rows hold it.
std::vector<uint32_t> CountRowsOfTerms(const TokenRows& rows) {
  std::vector<uint32_t> counts(rows.terms.size());
  std::vector<uint32_t> last_row(rows.terms.size());  // The last row that held it, + 1.
  const uint32_t* token = rows.tokens.data();
  for (uint32_t row = 0; row < rows.lengths.size(); ++row) {
    for (uint32_t i = 0; i < rows.lengths[row]; ++i, ++token) {
      counts[*token] += last_row[*token] != row + 1;
      last_row[*token] = row + 1;
    }
  }
  return counts;
}

// Rows and counts of every term, term by term in order of number: those of a term end at ends[term].
struct PostingLists {
  std::vector<uint64_t> ends;
  std::vector<uint32_t> rows;
  std::vector<uint32_t> counts;
};

PostingLists Invert(const TokenRows& rows, std::span<const uint32_t> row_counts) {
  PostingLists lists;
  lists.ends.resize(row_counts.size());
  uint64_t total = 0;
  for (size_t term = 0; term < lists.ends.size(); ++term) {
    lists.ends[term] = total;  // Where it starts; filling moves it to the end.
    total += row_counts[term];
  }
  lists.rows.resize(total);
  lists.counts.resize(total);
  std::vector<uint32_t> last_row(lists.ends.size());  // By term: the last row that held it, + 1.
  const uint32_t* token = rows.tokens.data();
  for (uint32_t row = 0; row < rows.lengths.size(); ++row) {
    for (uint32_t i = 0; i < rows.lengths[row]; ++i, ++token) {
      uint64_t& end = lists.ends[*token];
      if (last_row[*token] != row + 1) {
        last_row[*token] = row + 1;
        lists.rows[end++] = row;
      }
      ++lists.counts[end - 1];
    }
  }
  return lists;
}

// The slots of the terms, whose records start at `offsets`. Two thirds are taken at most, so that a term is found after
// few.
std::vector<uint64_t> SlotsOf(std::span<const std::string_view> terms, std::span<const uint64_t> offsets,
                              const Bm25Slots& format) {
  std::vector<uint64_t> slots(terms.size() + terms.size() / 2 + 1);
  for (size_t term = 0; term < terms.size(); ++term) {
    const uint64_t hash = Hash64(terms[term]);
    size_t i = Bm25Slots::FirstSlot(hash, slots.size());
    while (slots[i] != 0) i = i + 1 < slots.size() ? i + 1 : 0;
    slots[i] = format.Value(hash, offsets[term]);
  }
  return slots;
}

uint16_t LengthBytes(std::span<const uint32_t> lengths) {
  const uint32_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  return longest <= std::numeric_limits<uint8_t>::max() ? 1 : longest <= std::numeric_limits<uint16_t>::max() ? 2 : 4;
}

template <typename T>
void Put(std::vector<std::byte>& bytes, uint64_t offset, std::span<const T> values) {
  if (!values.empty()) std::memcpy(bytes.data() + offset, values.data(), values.size_bytes());
}

// The lowest `bytes_each` bytes of each value; numbers are little-endian.
template <typename T>
void PutNarrow(std::vector<std::byte>& bytes, uint64_t offset, std::span<const T> values, size_t bytes_each) {
  for (size_t i = 0; i < values.size(); ++i)
    std::memcpy(bytes.data() + offset + i * bytes_each, &values[i], bytes_each);
}

}  // namespace

Result<std::vector<std::byte>> Bm25IndexType::Build(const TokenRows& rows) const {
  if (rows.lengths.size() >= kLimit)
    return InvalidArgumentError(StrCat("a BM25 index cannot number that many rows: ", rows.lengths.size()));
  const std::span<const std::string_view> terms = rows.terms;
  const std::vector<uint32_t> row_counts = CountRowsOfTerms(rows);
  const PostingLists lists = Invert(rows, row_counts);

  std::vector<std::byte> records;
  std::vector<uint64_t> offsets;
  offsets.reserve(terms.size());
  for (size_t term = 0; term < terms.size(); ++term) {
    offsets.push_back(records.size());
    const size_t start = lists.ends[term] - row_counts[term];
    RAGTIME_RETURN_IF_ERROR(AppendTerm(terms[term], std::span(lists.rows).subspan(start, row_counts[term]),
                                       std::span(lists.counts).subspan(start, row_counts[term]), rows.lengths,
                                       records));
  }
  records.resize(records.size() + kRecordsPadding);
  if (terms.size() >= kLimit / 2 || records.size() >= kRecordsSizeMax) {
    return ResourceExhaustedError(StrCat("a BM25 index cannot hold that many distinct words: ", terms.size()));
  }
  const uint16_t slot_bytes = Bm25Slots::BytesFor(records.size());
  const std::vector<uint64_t> slots = SlotsOf(terms, offsets, Bm25Slots(records.size(), slot_bytes));

  Bm25Header header = {};
  std::copy(std::begin(kBm25Magic), std::end(kBm25Magic), header.magic);
  header.version = kBm25Version;
  header.length_bytes = LengthBytes(rows.lengths);
  header.slot_bytes = slot_bytes;
  header.rows = rows.lengths.size();
  header.terms = terms.size();
  header.slots = slots.size();
  header.records_size = records.size();
  header.tokens = rows.tokens.size();
  header.header_hash = Bm25HeaderHash(header);
  const Bm25Layout layout = Bm25Layout::Of(header);
  std::vector<std::byte> bytes(layout.size);
  Put<Bm25Header>(bytes, 0, {&header, 1});
  PutNarrow<uint64_t>(bytes, layout.slots, slots, slot_bytes);
  PutNarrow<uint32_t>(bytes, layout.lengths, rows.lengths, header.length_bytes);
  Put<std::byte>(bytes, layout.records, records);
  return bytes;
}

}  // namespace ragtime
