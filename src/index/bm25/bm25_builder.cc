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

// Numbers distinct terms 0, 1, 2 ... as they come. Open addressing, since most tokens are known already and each is
// looked up.
class TermNumbers {
 public:
  TermNumbers() : slots_(1 << 12, kEmpty) {}

  uint32_t Number(std::string_view term) {
    const uint64_t hash = Hash64(term);
    for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i] == kEmpty) return Insert(term, hash, i);
      const uint32_t number = slots_[i];
      if (hashes_[number] == hash && terms_[number] == term) return number;
    }
  }

  const std::vector<std::string_view>& terms() const { return terms_; }

 private:
  static constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();

  uint32_t Insert(std::string_view term, uint64_t hash, size_t slot) {
    const auto number = static_cast<uint32_t>(terms_.size());
    terms_.push_back(term);
    hashes_.push_back(hash);
    slots_[slot] = number;
    if (terms_.size() * 2 > slots_.size()) Grow();
    return number;
  }

  void Grow() {
    slots_.assign(slots_.size() * 2, kEmpty);
    for (uint32_t number = 0; number < terms_.size(); ++number) {
      size_t i = hashes_[number] & (slots_.size() - 1);
      while (slots_[i] != kEmpty) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = number;
    }
  }

  std::vector<uint32_t> slots_;          // A power of two; the number of a term or kEmpty.
  std::vector<std::string_view> terms_;  // By number.
  std::vector<uint64_t> hashes_;         // By number.
};

// The rows as numbers, and for each term how many rows hold it.
struct Corpus {
  TermNumbers numbers;
  std::vector<uint32_t> tokens;      // Of all rows, one behind the other.
  std::vector<uint32_t> lengths;     // Of each row.
  std::vector<uint32_t> row_counts;  // By term.
};

Corpus ReadCorpus(std::span<const std::vector<std::string>> rows) {
  Corpus corpus;
  corpus.lengths.reserve(rows.size());
  std::vector<uint32_t> last_row;  // By term: the last row that held it, + 1.
  for (uint32_t row = 0; row < rows.size(); ++row) {
    corpus.lengths.push_back(static_cast<uint32_t>(rows[row].size()));
    for (const std::string& token : rows[row]) {
      const uint32_t term = corpus.numbers.Number(token);
      if (term == last_row.size()) {
        last_row.push_back(0);
        corpus.row_counts.push_back(0);
      }
      corpus.row_counts[term] += last_row[term] != row + 1;
      last_row[term] = row + 1;
      corpus.tokens.push_back(term);
    }
  }
  return corpus;
}

// Rows and counts of every term, term by term in order of number: those of a term end at ends[term].
struct PostingLists {
  std::vector<uint64_t> ends;
  std::vector<uint32_t> rows;
  std::vector<uint32_t> counts;
};

PostingLists InvertCorpus(const Corpus& corpus) {
  PostingLists lists;
  lists.ends.resize(corpus.row_counts.size());
  uint64_t total = 0;
  for (size_t term = 0; term < lists.ends.size(); ++term) {
    lists.ends[term] = total;  // Where it starts; filling moves it to the end.
    total += corpus.row_counts[term];
  }
  lists.rows.resize(total);
  lists.counts.resize(total);
  std::vector<uint32_t> last_row(lists.ends.size());  // By term: the last row that held it, + 1.
  const uint32_t* token = corpus.tokens.data();
  for (uint32_t row = 0; row < corpus.lengths.size(); ++row) {
    for (uint32_t i = 0; i < corpus.lengths[row]; ++i, ++token) {
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

Result<std::vector<std::byte>> Bm25IndexType::Build(std::span<const std::vector<std::string>> rows) const {
  if (rows.size() >= kLimit)
    return InvalidArgumentError(StrCat("a BM25 index cannot number that many rows: ", rows.size()));
  const Corpus corpus = ReadCorpus(rows);
  const std::vector<std::string_view>& terms = corpus.numbers.terms();
  const PostingLists lists = InvertCorpus(corpus);

  std::vector<std::byte> records;
  std::vector<uint64_t> offsets;
  offsets.reserve(terms.size());
  for (size_t term = 0; term < terms.size(); ++term) {
    offsets.push_back(records.size());
    const size_t start = lists.ends[term] - corpus.row_counts[term];
    RAGTIME_RETURN_IF_ERROR(AppendTerm(terms[term], std::span(lists.rows).subspan(start, corpus.row_counts[term]),
                                       std::span(lists.counts).subspan(start, corpus.row_counts[term]), corpus.lengths,
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
  header.length_bytes = LengthBytes(corpus.lengths);
  header.slot_bytes = slot_bytes;
  header.rows = rows.size();
  header.terms = terms.size();
  header.slots = slots.size();
  header.records_size = records.size();
  header.tokens = corpus.tokens.size();
  header.header_hash = Bm25HeaderHash(header);
  const Bm25Layout layout = Bm25Layout::Of(header);
  std::vector<std::byte> bytes(layout.size);
  Put<Bm25Header>(bytes, 0, {&header, 1});
  PutNarrow<uint64_t>(bytes, layout.slots, slots, slot_bytes);
  PutNarrow<uint32_t>(bytes, layout.lengths, corpus.lengths, header.length_bytes);
  Put<std::byte>(bytes, layout.records, records);
  return bytes;
}

}  // namespace ragtime
