// SPDX-License-Identifier: Apache-2.0
//
// Times COLUMNS on 1M items in memory. Usage:
//   columns_bench [ITEMS]     Match, Ordered and Open for each index, and two layouts for the search of a key
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "index/scalar/columns.h"
#include "ragtime/filter.h"

namespace {

using ragtime::FieldIndex;
using ragtime::FieldType;

int Fail(const ragtime::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// The median of 15 runs, in microseconds.
double MedianUs(const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    const ragtime::Stopwatch watch;
    run();
    times.push_back(watch.ElapsedMs() * 1000);
  }
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  return times[7];
}

std::string TextOf(int64_t n) {
  char text[16];
  std::snprintf(text, sizeof(text), "name%08lld", static_cast<long long>(n));
  return text;
}

// Values 0 to 9,999, each of 0.01 % of the items.
constexpr int64_t kDistinct = 10'000;

std::vector<ragtime::Fields> DrawItems(size_t count) {
  std::mt19937 random(1);
  std::vector<ragtime::Fields> items(count);
  for (ragtime::Fields& item : items) {
    item["number"] = static_cast<int64_t>(random() % kDistinct);
    item["text"] = TextOf(static_cast<int64_t>(random() % kDistinct));
  }
  return items;
}

double MatchUs(const ragtime::FieldColumns& columns, const std::string& filter) {
  const auto parsed = ragtime::Filter::Parse(filter, columns.fields());
  if (!parsed.ok()) Fail(parsed.status());
  return MedianUs([&] {
    const auto set = columns.Match(parsed->root());
    if (!set.ok()) Fail(set.status());
  });
}

void TimeIndex(FieldIndex index, const std::vector<const ragtime::Fields*>& items) {
  const ragtime::ColumnsType type;
  for (const char* field : {"number", "text"}) {
    const bool text = field[0] == 't';
    const ragtime::FieldSpec spec = {field, text ? FieldType::kString : FieldType::kInt, index};
    const ragtime::Stopwatch watch;
    const auto bytes = type.Build(std::vector{spec}, items);
    if (!bytes.ok()) Fail(bytes.status());
    const double build_ms = watch.ElapsedMs();
    std::unique_ptr<ragtime::FieldColumns> columns;
    const double open_us = MedianUs([&] { columns = *type.Open(*bytes); });
    const auto literal = [&](int64_t n) {
      return ragtime::ToString(text ? ragtime::FieldValue(TextOf(n)) : ragtime::FieldValue(n));
    };
    const std::string name = field;
    const double equal = MatchUs(*columns, name + " = " + literal(kDistinct / 3));
    const double one_percent = MatchUs(*columns, name + " >= " + literal(kDistinct - kDistinct / 100));
    const double ten_percent = MatchUs(*columns, name + " >= " + literal(kDistinct - kDistinct / 10));
    const double half = MatchUs(*columns, name + " >= " + literal(kDistinct / 2));
    const std::vector<uint64_t> all((items.size() + 63) / 64, UINT64_MAX);
    const double order = MedianUs([&] { (void)columns->Ordered(name, true, ragtime::RowBitmap{all}, 10).ok(); });
    std::printf(
        "%-6s %-7s build %5.0f ms, %5.1f bytes an item, open %4.1f us; match 0.01 %% %7.1f us, 1 %% %7.1f us, "
        "10 %% %7.1f us, 50 %% %7.1f us; top 10 %7.1f us\n",
        field, std::string(ragtime::FieldIndexName(index)).c_str(), build_ms,
        static_cast<double>(bytes->size()) / static_cast<double>(items.size()), open_us, equal, one_percent,
        ten_percent, half, order);
  }
}

// The first number of each block of 16, level above level: a search reads one block a level.
class BlockTree {
 public:
  explicit BlockTree(const std::vector<int64_t>& keys) {
    levels_.push_back(keys);
    while (levels_.back().size() > kBlock) {
      std::vector<int64_t> above;
      for (size_t i = 0; i < levels_.back().size(); i += kBlock) above.push_back(levels_.back()[i]);
      levels_.push_back(std::move(above));
    }
  }
  size_t LowerBound(int64_t key) const {
    size_t block = 0;
    for (size_t level = levels_.size(); level-- > 0;) {
      const std::vector<int64_t>& keys = levels_[level];
      const size_t start = block * kBlock;
      const size_t end = std::min(start + kBlock, keys.size());
      size_t less = 0;
      for (size_t i = start; i < end; ++i) less += keys[i] < key;
      if (level == 0) return start + less;
      block = start + (less > 0 ? less - 1 : 0);
    }
    return 0;
  }

 private:
  static constexpr size_t kBlock = 16;
  std::vector<std::vector<int64_t>> levels_;
};

// Searches in 1M distinct numbers: the keys themselves, a permutation of the column, and blocks of 16.
void TimeSearches(size_t count) {
  std::mt19937_64 random(2);
  std::vector<int64_t> column(count);
  for (int64_t& value : column) value = static_cast<int64_t>(random() >> 1);
  std::vector<uint32_t> permutation(count);
  for (size_t i = 0; i < count; ++i) permutation[i] = static_cast<uint32_t>(i);
  std::sort(permutation.begin(), permutation.end(), [&](uint32_t a, uint32_t b) { return column[a] < column[b]; });
  std::vector<int64_t> keys = column;
  std::sort(keys.begin(), keys.end());
  const BlockTree tree(keys);
  std::vector<int64_t> probes(1000);
  for (int64_t& probe : probes) probe = static_cast<int64_t>(random() >> 1);
  size_t sum = 0;
  const auto time = [&](const char* name, const std::function<size_t(int64_t)>& search) {
    const double us = MedianUs([&] {
      for (const int64_t probe : probes) sum += search(probe);
    });
    std::printf("%-40s %6.0f ns a search\n", name, us * 1000 / static_cast<double>(probes.size()));
  };
  time("keys, in halves", [&](int64_t key) {
    return static_cast<size_t>(std::lower_bound(keys.begin(), keys.end(), key) - keys.begin());
  });
  time("permutation of the column, in halves", [&](int64_t key) {
    return static_cast<size_t>(std::lower_bound(permutation.begin(), permutation.end(), key,
                                                [&](uint32_t item, int64_t k) { return column[item] < k; }) -
                               permutation.begin());
  });
  time("blocks of 16 keys", [&](int64_t key) { return tree.LowerBound(key); });
  for (const int64_t probe : probes) {
    if (tree.LowerBound(probe) !=
        static_cast<size_t>(std::lower_bound(keys.begin(), keys.end(), probe) - keys.begin())) {
      Fail(ragtime::InternalError("the block tree is wrong"));
    }
  }
  std::printf("(%zu)\n", sum % 10);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? static_cast<size_t>(std::atoll(argv[1])) : 1'000'000;
  const std::vector<ragtime::Fields> items = DrawItems(count);
  std::vector<const ragtime::Fields*> pointers;
  for (const ragtime::Fields& item : items) pointers.push_back(&item);
  for (const FieldIndex index : {FieldIndex::kNone, FieldIndex::kBtree, FieldIndex::kHash, FieldIndex::kBitmap}) {
    TimeIndex(index, pointers);
  }
  TimeSearches(count);
  return 0;
}
