// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/value_index.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "index/scalar/roaring_bits.h"
#include "index/scalar/skip_list.h"

namespace ragtime {
namespace {

bool IsAbove(const ValueRange& range, const FieldValue& value) {
  return range.high && (*range.high < value || (!range.high_included && *range.high == value));
}

class OrderedIndex final : public ValueIndex {
 public:
  void Add(const FieldValue& value, uint32_t item) override { list_.Insert(value, item); }
  void Remove(const FieldValue& value, uint32_t item) override { list_.Erase(value, item); }

  void AddEqual(const FieldValue& value, ItemBits& bits) const override {
    for (const Node* node = list_.LowerBound(value); node != nullptr && !(value < node->key); node = List::Next(node)) {
      bits.Add(node->item);
    }
  }

  bool AddRange(const ValueRange& range, const std::function<bool(const FieldValue&)>& wanted,
                ItemBits& bits) const override {
    if (!range.low && !range.high) return false;
    const Node* node = range.low ? list_.LowerBound(*range.low, !range.low_included) : list_.first();
    for (; node != nullptr && !IsAbove(range, node->key); node = List::Next(node)) {
      if (!wanted || wanted(node->key)) bits.Add(node->item);
    }
    return true;
  }

  bool Walk(bool descending, const std::function<bool(uint32_t)>& visit) const override {
    if (!descending) {
      for (const Node* node = list_.first(); node != nullptr && visit(node->item); node = List::Next(node)) continue;
      return true;
    }
    const Node* last = list_.last();
    while (last != nullptr) {
      const Node* first = list_.LowerBound(last->key);
      const Node* before = List::Previous(first);
      for (const Node* node = first;; node = List::Next(node)) {
        if (!visit(node->item)) return true;
        if (node == last) break;
      }
      last = before;
    }
    return true;
  }

 private:
  using List = SkipList<FieldValue, uint32_t>;
  using Node = List::Node;
  List list_;
};

struct HashValue {
  size_t operator()(const FieldValue& value) const {
    if (const auto* number = std::get_if<int64_t>(&value)) return std::hash<int64_t>()(*number);
    if (const auto* real = std::get_if<double>(&value)) return std::hash<double>()(*real);  // One for both zeros.
    if (const auto* text = std::get_if<std::string>(&value)) return std::hash<std::string>()(*text);
    if (const auto* moment = std::get_if<Datetime>(&value)) return std::hash<int64_t>()(moment->ms);
    if (const auto* truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
    return 0;
  }
};

class HashIndex final : public ValueIndex {
 public:
  void Add(const FieldValue& value, uint32_t item) override {
    std::vector<uint32_t>& items = items_[value];
    // Items mostly come in their order.
    items.insert(
        items.empty() || items.back() < item ? items.end() : std::lower_bound(items.begin(), items.end(), item), item);
  }
  void Remove(const FieldValue& value, uint32_t item) override {
    const auto found = items_.find(value);
    if (found == items_.end()) return;
    std::vector<uint32_t>& items = found->second;
    const auto place = std::lower_bound(items.begin(), items.end(), item);
    if (place != items.end() && *place == item) items.erase(place);
    if (items.empty()) items_.erase(found);
  }
  void AddEqual(const FieldValue& value, ItemBits& bits) const override {
    const auto found = items_.find(value);
    if (found != items_.end()) bits.AddAll(found->second);
  }
  bool AddRange(const ValueRange&, const std::function<bool(const FieldValue&)>&, ItemBits&) const override {
    return false;
  }
  bool Walk(bool, const std::function<bool(uint32_t)>&) const override { return false; }

 private:
  std::unordered_map<FieldValue, std::vector<uint32_t>, HashValue> items_;
};

class BitmapIndex final : public ValueIndex {
 public:
  void Add(const FieldValue& value, uint32_t item) override { bitmaps_[value].Add(item); }
  void Remove(const FieldValue& value, uint32_t item) override {
    const auto found = bitmaps_.find(value);
    if (found == bitmaps_.end()) return;
    found->second.Remove(item);
    if (found->second.empty()) bitmaps_.erase(found);
  }
  void AddEqual(const FieldValue& value, ItemBits& bits) const override {
    const auto found = bitmaps_.find(value);
    if (found != bitmaps_.end()) AddBitmap(found->second, bits);
  }
  bool AddRange(const ValueRange& range, const std::function<bool(const FieldValue&)>& wanted,
                ItemBits& bits) const override {
    auto at = !range.low           ? bitmaps_.begin()
              : range.low_included ? bitmaps_.lower_bound(*range.low)
                                   : bitmaps_.upper_bound(*range.low);
    for (; at != bitmaps_.end() && !IsAbove(range, at->first); ++at) {
      if (!wanted || wanted(at->first)) AddBitmap(at->second, bits);
    }
    return true;
  }
  bool Walk(bool descending, const std::function<bool(uint32_t)>& visit) const override {
    bool more = true;
    const auto visit_all = [&](const RoaringBits& bitmap) {
      bitmap.ForEach([&](uint32_t item) { return more = visit(item); });
    };
    if (descending) {
      for (auto at = bitmaps_.rbegin(); at != bitmaps_.rend() && more; ++at) visit_all(at->second);
    } else {
      for (auto at = bitmaps_.begin(); at != bitmaps_.end() && more; ++at) visit_all(at->second);
    }
    return true;
  }

 private:
  static void AddBitmap(const RoaringBits& bitmap, ItemBits& bits) {
    bitmap.ForEach([&](uint32_t item) {
      bits.Add(item);
      return true;
    });
  }
  std::map<FieldValue, RoaringBits> bitmaps_;
};

}  // namespace

std::unique_ptr<ValueIndex> MakeValueIndex(FieldIndex index) {
  switch (index) {
    case FieldIndex::kNone:
      return nullptr;
    case FieldIndex::kBtree:
    case FieldIndex::kSkiplist:
      return std::make_unique<OrderedIndex>();
    case FieldIndex::kHash:
      return std::make_unique<HashIndex>();
    case FieldIndex::kBitmap:
      return std::make_unique<BitmapIndex>();
  }
  return nullptr;
}

}  // namespace ragtime
