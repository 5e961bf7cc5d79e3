// SPDX-License-Identifier: Apache-2.0
//
// Goal: BM25 returns what the formula says, in its order, whatever the corpus and however it is spread over indexes;
// and bytes that are not its own are refused or searched without harm. Method: the oracle counts words in the rows
// themselves and evaluates the formula of index.h literally.
#include "index/bm25/bm25_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

#include "base/hash.h"
#include "index/bm25/bm25_format.h"
#include "index/kernels/top_hits.h"
#include "text/token_table.h"

namespace ragtime {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Word 0 stands in most rows, word 1 in half as many, and so on, as in text.
std::string RandomWord(std::mt19937& random, size_t words) {
  const double u = std::uniform_real_distribution<double>(0, 1)(random);
  std::string word = "w";
  return word.append(std::to_string(static_cast<size_t>(std::pow(static_cast<double>(words), u)) - 1));
}

Rows RandomRows(std::mt19937& random, size_t count, size_t words, size_t length_max) {
  Rows rows(count);
  for (auto& row : rows) {
    for (size_t n = random() % (length_max + 1); n > 0; --n) row.push_back(RandomWord(random, words));
  }
  return rows;
}

std::set<uint32_t> RandomExclusions(std::mt19937& random, size_t rows, uint32_t percent, std::vector<uint64_t>& words) {
  std::set<uint32_t> excluded;
  words.assign((rows + 63) / 64, 0);
  for (uint32_t row = 0; row < rows; ++row) {
    if (random() % 100 >= percent) continue;
    excluded.insert(row);
    words[row / 64] |= uint64_t{1} << (row % 64);
  }
  return excluded;
}

class Oracle {
 public:
  Oracle(const Rows& rows, const std::set<uint32_t>& excluded) : rows_(rows) {
    for (uint32_t r = 0; r < rows.size(); ++r) {
      if (!excluded.contains(r)) live_.push_back(r);
    }
  }

  KeywordStatistics statistics() const {
    KeywordStatistics statistics;
    for (const uint32_t row : live_) {
      ++statistics.nodes;
      statistics.tokens += rows_[row].size();
    }
    return statistics;
  }

  uint64_t CountRows(const std::string& term) const {
    return std::count_if(live_.begin(), live_.end(), [&](uint32_t row) { return Count(row, term) > 0; });
  }

  // The same, by the order of operations that the index promises: a sum in double over the terms as given, rounded
  // once. All live rows that hold a term, best first.
  std::vector<RowHit> Hits(std::span<const WeightedTerm> terms, Bm25Parameters p,
                           const KeywordStatistics& statistics) const {
    const double k1 = p.k1;
    const double b = p.b;
    const double average = static_cast<double>(statistics.tokens) / static_cast<double>(statistics.nodes);
    std::unordered_map<std::string_view, std::vector<size_t>> places;  // Of a word among the terms.
    for (size_t i = 0; i < terms.size(); ++i) places[terms[i].term].push_back(i);
    std::vector<RowHit> hits;
    for (const uint32_t row : live_) {
      double sum = 0;
      bool found = false;
      std::vector<uint32_t> counts(terms.size());
      for (const std::string& word : rows_[row]) {
        const auto asked = places.find(word);
        if (asked == places.end()) continue;
        for (const size_t i : asked->second) ++counts[i];
      }
      for (size_t i = 0; i < terms.size(); ++i) {
        if (counts[i] == 0) continue;
        const WeightedTerm& term = terms[i];
        found = true;
        const double n = static_cast<double>(statistics.nodes);
        const double df = static_cast<double>(term.nodes);
        const double gain = term.weight * std::log(1.0 + (n - df + 0.5) / (df + 0.5)) * (k1 + 1.0);
        const double tf = counts[i];
        sum += gain * tf / (tf + k1 * (1.0 - b) + k1 * b / average * static_cast<double>(rows_[row].size()));
      }
      if (found) hits.push_back({row, static_cast<float>(sum)});
    }
    std::sort(hits.begin(), hits.end(), TopHits::IsBetter);
    return hits;
  }

  // Score of every live row that holds a term, by the formula.
  std::map<uint32_t, double> Scores(std::span<const WeightedTerm> terms, Bm25Parameters p) const {
    const KeywordStatistics s = statistics();
    const double average = static_cast<double>(s.tokens) / static_cast<double>(s.nodes);
    std::map<uint32_t, double> scores;
    for (const WeightedTerm& term : terms) {
      const double n = static_cast<double>(s.nodes);
      const double df = static_cast<double>(term.nodes);
      for (const uint32_t row : live_) {
        const double tf = static_cast<double>(Count(row, term.term));
        if (tf == 0) continue;
        const double length = static_cast<double>(rows_[row].size());
        scores[row] += term.weight * std::log(1 + (n - df + 0.5) / (df + 0.5)) * tf * (double{p.k1} + 1) /
                       (tf + double{p.k1} * (1 - double{p.b} + double{p.b} * length / average));
      }
    }
    return scores;
  }

 private:
  int64_t Count(uint32_t row, const std::string& term) const {
    return std::count(rows_[row].begin(), rows_[row].end(), term);
  }

  const Rows& rows_;
  std::vector<uint32_t> live_;
};

std::vector<WeightedTerm> RandomTerms(std::mt19937& random, size_t words, const Oracle& oracle) {
  std::vector<WeightedTerm> terms;
  for (size_t n = 1 + random() % 6; n > 0; --n) {
    const std::string term = random() % 10 == 0 ? "absent" : RandomWord(random, words);
    const bool repeated = std::any_of(terms.begin(), terms.end(), [&](const auto& t) { return t.term == term; });
    if (!repeated) terms.push_back({term, static_cast<float>(random() % 3), oracle.CountRows(term)});
  }
  return terms;
}

// `hits` are the best of `scores`. Rows whose scores differ by rounding only may stand for each other.
void ExpectBest(const std::vector<RowHit>& hits, const std::map<uint32_t, double>& scores, size_t limit) {
  ASSERT_EQ(hits.size(), std::min(limit, scores.size()));
  EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end(), TopHits::IsBetter));
  std::set<uint32_t> rows;
  for (const RowHit& hit : hits) {
    ASSERT_TRUE(scores.contains(hit.row)) << hit.row;
    EXPECT_NEAR(hit.score, scores.at(hit.row), 1e-6 * scores.at(hit.row)) << hit.row;
    EXPECT_TRUE(rows.insert(hit.row).second);
  }
  for (const auto& [row, score] : scores) {
    if (rows.contains(row) || hits.empty()) continue;
    EXPECT_LE(score, hits.back().score * (1 + 1e-6)) << row;
  }
}

TEST(Bm25, AgreesWithTheFormulaOnRandomCorpora) {
  std::mt19937 random(1);
  const Bm25Parameters parameters[] = {{1.2f, 0.75f}, {0.9f, 0.4f}, {2.0f, 0.0f}, {0.0f, 1.0f}};
  for (int round = 0; round < 60; ++round) {
    const size_t words = 5 + random() % 300;
    const size_t count = round < 5 ? 9000 : 1 + random() % 600;  // More than two windows, then small ones.
    const Rows rows = RandomRows(random, count, words, 1 + random() % 30);
    std::vector<uint64_t> bitmap;
    const auto excluded = RandomExclusions(random, rows.size(), static_cast<uint32_t>(random() % 4 * 30), bitmap);
    const Oracle oracle(rows, excluded);
    const Bm25IndexType type(parameters[round % 4]);
    const auto bytes = type.Build(TokenTable(rows).rows());
    ASSERT_TRUE(bytes.ok());
    auto index = type.Open(*bytes);
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    for (uint32_t row = 0; row < rows.size(); ++row) ASSERT_EQ(*(*index)->Length(row), rows[row].size());
    for (int q = 0; q < 8; ++q) {
      const auto terms = RandomTerms(random, words, oracle);
      for (const WeightedTerm& term : terms) {
        EXPECT_EQ(*(*index)->CountRows(term.term, RowBitmap{bitmap}), term.nodes);
        EXPECT_EQ(*(*index)->CountRows(term.term, {}), Oracle(rows, {}).CountRows(term.term));
        std::vector<uint64_t> marked((rows.size() + 63) / 64);
        ASSERT_TRUE((*index)->MarkRows(term.term, marked).ok());
        for (uint32_t row = 0; row < rows.size(); ++row) {
          const bool holds = std::find(rows[row].begin(), rows[row].end(), term.term) != rows[row].end();
          ASSERT_EQ(marked[row / 64] >> (row % 64) & 1, holds ? 1u : 0u) << term.term << ", row " << row;
        }
      }
      const size_t limit = 1 + random() % 40;
      auto hits = (*index)->Search({}, terms, oracle.statistics(), limit, RowBitmap{bitmap});
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      ExpectBest(*hits, oracle.Scores(terms, parameters[round % 4]), limit);
    }
  }
}

TEST(Bm25, ScoresDoNotDependOnHowRowsAreSpreadOverIndexes) {
  std::mt19937 random(2);
  const Rows rows = RandomRows(random, 5000, 200, 40);
  const Oracle oracle(rows, {});
  const Bm25IndexType type;
  const auto whole_bytes = *type.Build(TokenTable(rows).rows());
  auto whole = type.Open(whole_bytes);
  ASSERT_TRUE(whole.ok());
  for (int q = 0; q < 20; ++q) {
    const auto terms = RandomTerms(random, 200, oracle);
    std::vector<RowHit> merged;
    for (size_t start = 0; start < rows.size();) {
      const size_t size = std::min<size_t>(1 + random() % 3000, rows.size() - start);
      const auto bytes = *type.Build(TokenTable(std::span(rows).subspan(start, size)).rows());
      auto part = type.Open(bytes);
      ASSERT_TRUE(part.ok());
      const auto hits = *(*part)->Search({}, terms, oracle.statistics(), 5000, {});
      for (const RowHit& hit : hits) {
        merged.push_back({static_cast<uint32_t>(hit.row + start), hit.score});
      }
      start += size;
    }
    std::sort(merged.begin(), merged.end(), TopHits::IsBetter);
    const auto hits = *(*whole)->Search({}, terms, oracle.statistics(), 5000, {});
    EXPECT_TRUE(hits == merged) << hits.size() << " hits, in parts " << merged.size();
  }
}

// The best `limit` of the rows in `parts` parts, each asked for what the ones before it left, as a store asks.
std::vector<RowHit> SearchInParts(std::mt19937& random, const Bm25IndexType& type, const Rows& rows,
                                  std::span<const uint64_t> excluded, std::span<const WeightedTerm> terms,
                                  const KeywordStatistics& statistics, size_t limit, size_t parts) {
  std::vector<RowHit> best;
  for (size_t start = 0; start < rows.size();) {
    // Parts begin at whole words of the bitmap.
    const size_t size = std::min((1 + random() % (2 * rows.size() / parts + 1) / 64) * 64, rows.size() - start);
    const auto bytes = *type.Build(TokenTable(std::span(rows).subspan(start, size)).rows());
    auto part = type.Open(bytes);
    EXPECT_TRUE(part.ok());
    RowSelection selection(RowBitmap{excluded.subspan(start / 64)});
    if (best.size() >= limit) selection.least_score = best.back().score;
    const auto hits = (*part)->Search({}, terms, statistics, limit, selection);
    EXPECT_TRUE(hits.ok()) << hits.status().ToString();
    for (const RowHit& hit : *hits) best.push_back({static_cast<uint32_t>(hit.row + start), hit.score});
    std::sort(best.begin(), best.end(), TopHits::IsBetter);
    best.resize(std::min(best.size(), limit));
    start += size;
  }
  return best;
}

TEST(Bm25, ScoresAreThoseOfTheNaiveScorerBitForBitHoweverTheRowsAreSpread) {
  const auto seed =
      static_cast<uint32_t>(std::getenv("RAGTIME_SEED") != nullptr ? std::atoi(std::getenv("RAGTIME_SEED")) : 20251125);
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const Bm25Parameters parameters[] = {{1.2f, 0.75f}, {0.9f, 0.4f}, {2.0f, 0.0f}, {0.0f, 1.0f}};
  for (int round = 0; round < 24; ++round) {
    // Words that many of 12,000 rows hold are searched in windows, few rows all at once.
    const size_t words = 5 + random() % (round < 3 ? 60 : 3000);
    const size_t count = round < 3 ? 12000 : 1 + random() % 2000;
    // Lengths that take one byte each, and some that take two.
    const Rows rows = RandomRows(random, count, words, round % 5 == 0 ? 300 : 1 + random() % 30);
    std::vector<uint64_t> bitmap;
    const auto excluded = RandomExclusions(random, rows.size(), static_cast<uint32_t>(random() % 4 * 30), bitmap);
    const Oracle oracle(rows, excluded);
    const KeywordStatistics statistics = oracle.statistics();
    if (statistics.tokens == 0) continue;
    const Bm25IndexType type(parameters[round % 4]);
    const auto bytes = *type.Build(TokenTable(rows).rows());
    auto index = *type.Open(bytes);
    for (int q = 0; q < 6; ++q) {
      std::vector<WeightedTerm> terms;
      for (size_t n = 1 + random() % 10; n > 0; --n) {
        terms.push_back({RandomWord(random, words), static_cast<float>(1 + random() % 3), 0});
        terms.back().nodes = *index->CountRows(terms.back().term, RowBitmap{bitmap});
      }
      const size_t limit = std::vector<size_t>{1, 10, 100, 5000}[random() % 4];
      std::vector<RowHit> expected = oracle.Hits(terms, parameters[round % 4], statistics);
      std::vector<uint32_t> listed;
      for (const RowHit& hit : expected) {
        if (random() % 50 == 0) listed.push_back(hit.row);
      }
      std::vector<RowHit> expected_listed = expected;
      std::erase_if(expected_listed, [&](const RowHit& hit) {
        return std::find(listed.begin(), listed.end(), hit.row) == listed.end();
      });
      std::sort(listed.begin(), listed.end());
      expected.resize(std::min(expected.size(), limit));
      expected_listed.resize(std::min(expected_listed.size(), limit));
      const auto hits = index->Search({}, terms, statistics, limit, RowBitmap{bitmap});
      EXPECT_TRUE(*hits == expected) << "round " << round << ", limit " << limit << ", " << terms.size() << " terms";
      EXPECT_TRUE(SearchInParts(random, type, rows, bitmap, terms, statistics, limit, 1 + random() % 8) == expected)
          << "in parts: round " << round << ", limit " << limit << ", " << terms.size() << " terms";
      std::vector<uint64_t> others((rows.size() + 63) / 64, ~uint64_t{0});
      for (const uint32_t row : listed) others[row / 64] &= ~(uint64_t{1} << (row % 64));
      const auto of_list = index->Search({}, terms, statistics, limit, RowSelection(RowBitmap{others}, listed));
      EXPECT_TRUE(*of_list == expected_listed) << "listed: round " << round;
      const auto of_bitmap = index->Search({}, terms, statistics, limit, RowBitmap{others});
      EXPECT_TRUE(*of_bitmap == expected_listed) << "bitmap: round " << round;
    }
  }
}

// So many words that the order in which a score is added up shows: the sums must be made in the order given.
// In a large index, windows of rare words are of up to 16,384 rows, and the first threshold comes from rows of a rare
// word; in a smaller one all rows are one window.
TEST(Bm25, RareWordsAmongManyRowsAreScoredBitForBit) {
  const auto seed =
      static_cast<uint32_t>(std::getenv("RAGTIME_SEED") != nullptr ? std::atoi(std::getenv("RAGTIME_SEED")) : 20261126);
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const size_t words = 60000;
  Rows rows = RandomRows(random, 70000, words, 12);
  // Pieces that many rows hold, as neighbouring words are, so that the best rows hold all words of a question.
  for (auto& row : rows) {
    if (random() % 20 != 0) continue;
    const size_t piece = random() % 30;
    for (size_t i = 0; i < 5; ++i) row.push_back("w" + std::to_string(100 + piece * piece * 40 + i));
  }
  std::vector<uint64_t> bitmap;
  const auto excluded = RandomExclusions(random, rows.size(), 10, bitmap);
  const Oracle oracle(rows, excluded);
  const KeywordStatistics statistics = oracle.statistics();
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(rows).rows());
  auto index = *type.Open(bytes);
  Rows fewer(rows.begin(), rows.begin() + 30000);
  const auto fewer_bytes = *type.Build(TokenTable(fewer).rows());
  auto smaller = *type.Open(fewer_bytes);
  for (int q = 0; q < 40; ++q) {
    std::vector<WeightedTerm> terms;
    const size_t piece = random() % 30;
    const size_t count = 1 + random() % 8;
    for (size_t i = 0; i < count; ++i) {
      const bool of_piece = i < 5 && q % 2 == 0;
      terms.push_back({of_piece ? "w" + std::to_string(100 + piece * piece * 40 + i) : RandomWord(random, words)});
      terms.back().nodes = *index->CountRows(terms.back().term, RowBitmap{bitmap});
    }
    std::vector<RowHit> expected = oracle.Hits(terms, {}, statistics);
    std::vector<RowHit> of_fewer = expected;
    std::erase_if(of_fewer, [&](const RowHit& hit) { return hit.row >= fewer.size(); });
    for (const size_t limit : {2000, 128, 32, 10, 1}) {
      of_fewer.resize(std::min<size_t>(of_fewer.size(), limit));
      const auto found = smaller->Search({}, terms, statistics, limit, RowBitmap{bitmap});
      EXPECT_TRUE(*found == of_fewer) << "fewer rows, question " << q << ", limit " << limit;
      expected.resize(std::min<size_t>(expected.size(), limit));
      const auto hits = index->Search({}, terms, statistics, limit, RowBitmap{bitmap});
      EXPECT_TRUE(*hits == expected) << "question " << q << ", limit " << limit << ", " << terms.size() << " terms";
    }
  }
}

TEST(Bm25, TenThousandWordsAreScoredBitForBit) {
  std::mt19937 random(9);
  const Rows rows = RandomRows(random, 3000, 12000, 400);
  const Oracle oracle(rows, {});
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(rows).rows());
  auto index = *type.Open(bytes);
  std::vector<WeightedTerm> terms;
  for (size_t i = 0; i < 10000; ++i) {
    std::string word = "w";
    word += std::to_string(random() % 12000);
    terms.push_back({word, 0.1f * static_cast<float>(1 + random() % 7), 0});
    terms.back().nodes = *index->CountRows(terms.back().term, {});
  }
  const std::vector<RowHit> expected = oracle.Hits(terms, {}, oracle.statistics());
  for (const size_t limit : {1u, 7u, 50u}) {
    const auto hits = *index->Search({}, terms, oracle.statistics(), limit, {});
    EXPECT_TRUE(std::equal(hits.begin(), hits.end(), expected.begin(), expected.begin() + limit)) << limit;
  }
}

// Rows below the floor may come all the same, but those at it must.
TEST(Bm25, AFloorLeavesOutOnlyWhatIsBelowIt) {
  std::mt19937 random(10);
  const Rows rows = RandomRows(random, 4000, 60, 12);
  const Oracle oracle(rows, {});
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(rows).rows());
  auto index = *type.Open(bytes);
  for (int q = 0; q < 30; ++q) {
    const auto terms = RandomTerms(random, 60, oracle);
    const auto all = *index->Search({}, terms, oracle.statistics(), 50, {});
    if (all.empty()) continue;
    RowSelection selection;
    selection.least_score = all[random() % all.size()].score;
    auto some = *index->Search({}, terms, oracle.statistics(), 50, selection);
    auto expected = all;
    const auto below = [&](const RowHit& hit) { return hit.score < selection.least_score; };
    std::erase_if(some, below);
    std::erase_if(expected, below);
    EXPECT_TRUE(some == expected) << q;
  }
}

TEST(Bm25, EqualRowsComeInTheirOrder) {
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(Rows(300, {"same", "row"})).rows());
  auto index = *type.Open(bytes);
  const WeightedTerm terms[] = {{"same", 1, 300}, {"row", 2, 300}};
  const auto hits = *index->Search({}, terms, {300, 600}, 5, {});
  ASSERT_EQ(hits.size(), 5u);
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(hits[i].row, i);
}

TEST(Bm25, EmptyCorporaRowsAndQuestionsFindNothing) {
  const Bm25IndexType type;
  for (const Rows& rows : {Rows{}, Rows(3), Rows{{""}, {}, {"a", "b"}}}) {
    const auto bytes = *type.Build(TokenTable(rows).rows());
    auto index = *type.Open(bytes);
    const WeightedTerm absent[] = {{"zzz", 1, 0}};
    EXPECT_TRUE(index->Search({}, absent, {}, 5, {})->empty());
    EXPECT_TRUE(index->Search({}, {}, {rows.size(), 3}, 5, {})->empty());
    EXPECT_EQ(*index->CountRows("zzz", {}), 0u);
    EXPECT_EQ(index->Length(static_cast<uint32_t>(rows.size())).status().code(), StatusCode::kInvalidArgument);
  }
}

// Numbers that disagree with the index, as after a crash of whoever counts, must still give an order.
TEST(Bm25, WrongStatisticsGiveFiniteScores) {
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(Rows{{"a"}, {"a", "b"}, {"b"}}).rows());
  auto index = *type.Open(bytes);
  const WeightedTerm terms[] = {{"a", 1, 1000}, {"b", 1, 0}};
  for (const KeywordStatistics& statistics : {KeywordStatistics{}, KeywordStatistics{1, 0}, KeywordStatistics{0, 9}}) {
    const auto hits = *index->Search({}, terms, statistics, 5, {});
    EXPECT_EQ(hits.size(), 3u);
    for (const RowHit& hit : hits) EXPECT_TRUE(std::isfinite(hit.score));
  }
}

TEST(Bm25, ZeroWeightTermsStillMatch) {
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(Rows{{"a"}, {"b"}}).rows());
  auto index = *type.Open(bytes);
  const WeightedTerm terms[] = {{"b", 0, 1}};
  EXPECT_EQ(*index->Search({}, terms, {2, 2}, 5, {}), (std::vector<RowHit>{{1, 0.0f}}));
}

TEST(Bm25, ACancelledSearchStops) {
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(Rows{{"a"}}).rows());
  auto index = *type.Open(bytes);
  std::stop_source source;
  source.request_stop();
  const WeightedTerm terms[] = {{"a", 1, 1}};
  EXPECT_EQ(index->Search({.stop = source.get_token()}, terms, {1, 1}, 5, {}).status().code(), StatusCode::kCancelled);
}

TEST(Bm25, ForeignBytesAreRefused) {
  std::mt19937 random(4);
  const Bm25IndexType type;
  const auto bytes = *type.Build(TokenTable(RandomRows(random, 100, 50, 10)).rows());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(type.Open(std::span(bytes).first(size)).status().code(), StatusCode::kDataLoss);
  }
  for (size_t bit = 0; bit < sizeof(Bm25Header) * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(type.Open(damaged).ok()) << bit;
  }
  auto newer = bytes;
  newer[offsetof(Bm25Header, version)] = std::byte{9};
  EXPECT_EQ(type.Open(newer).status().code(), StatusCode::kFailedPrecondition);
}

// What changes this changes the format: raise the version and keep the reader of the old one.
TEST(Bm25, TheBytesAreThoseOfVersion2) {
  std::mt19937 random(5);
  Rows rows(1000);
  for (auto& row : rows) {
    for (size_t n = random() % 20; n > 0; --n) row.push_back(std::to_string(random() % 100));
  }
  const auto bytes = *Bm25IndexType().Build(TokenTable(rows).rows());
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "a43f9175c41281de5da397431e41c8ec");
}

// Also with a header that fits, which a checksum would not: sanitizers see what reads outside of the bytes.
TEST(Bm25, MutatedBytesAreSearchedWithoutHarm) {
  std::mt19937 random(6);
  const Bm25IndexType type;
  const Rows rows = RandomRows(random, 700, 40, 12);
  const auto bytes = *type.Build(TokenTable(rows).rows());
  int data_loss = 0;
  for (int round = 0; round < 3000; ++round) {
    auto damaged = bytes;
    const size_t from = round % 3 == 0 ? 0 : sizeof(Bm25Header);
    for (int n = 1 + static_cast<int>(random() % 40); n > 0; --n) {
      damaged[from + random() % (damaged.size() - from)] = static_cast<std::byte>(random());
    }
    Bm25Header header;
    std::memcpy(&header, damaged.data(), sizeof(header));
    header.header_hash = Bm25HeaderHash(header);
    std::memcpy(damaged.data(), &header, sizeof(header));
    auto index = type.Open(damaged);
    if (!index.ok()) continue;
    std::vector<WeightedTerm> terms;
    for (int t = 0; t < 5; ++t) terms.push_back({RandomWord(random, 40), 1, random() % 700});
    const auto hits = (*index)->Search({}, terms, {700, 4000}, 20, {});
    data_loss += hits.status().code() == StatusCode::kDataLoss;
    EXPECT_TRUE(hits.ok() || hits.status().code() == StatusCode::kDataLoss) << hits.status().ToString();
    const uint64_t none[] = {0};
    for (const auto& term : terms) (void)(*index)->CountRows(term.term, RowBitmap{none});
    std::vector<uint64_t> marked((rows.size() + 63) / 64);
    for (const auto& term : terms) (void)(*index)->MarkRows(term.term, marked);
    (void)(*index)->Length(static_cast<uint32_t>(random() % 1000));
  }
  EXPECT_GT(data_loss, 0);
}

}  // namespace
}  // namespace ragtime
