// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/str_cat.h"
#include "index/scalar/columns.h"
#include "index/scalar/columns_format.h"
#include "index/scalar/roaring_bits.h"

namespace ragtime {
namespace {

constexpr uint64_t kCountMax = std::numeric_limits<uint32_t>::max();

Status CheckFields(std::span<const FieldSpec> fields, std::span<const Fields* const> items) {
  if (items.size() > kCountMax) {
    return InvalidArgumentError(StrCat("COLUMNS cannot number that many items: ", items.size()));
  }
  for (size_t f = 0; f < fields.size(); ++f) {
    for (size_t other = 0; other < f; ++other) {
      if (fields[other].name == fields[f].name) {
        return InvalidArgumentError(StrCat("a field is declared twice: \"", fields[f].name, "\""));
      }
    }
  }
  return Status();
}

// The values of one field; null where an item has none.
Result<std::vector<const FieldValue*>> Collect(const FieldSpec& field, std::span<const Fields* const> items) {
  std::vector<const FieldValue*> values(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const auto found = items[i]->find(field.name);
    if (found == items[i]->end() || std::holds_alternative<std::monostate>(found->second)) continue;
    const auto* number = std::get_if<double>(&found->second);
    if (!HasType(found->second, field.type) || (number != nullptr && std::isnan(*number))) {
      return InvalidArgumentError(StrCat("the field \"", field.name, "\" of type ", FieldTypeName(field.type),
                                         " cannot hold the value of item ", i, ": ", ToString(found->second)));
    }
    values[i] = &found->second;
  }
  return values;
}

// Appends the parts of one column to `out`, in the order of ColumnLayout, and fills in the counts.
class ColumnWriter {
 public:
  ColumnWriter(const FieldSpec& field, std::vector<const FieldValue*> values, std::vector<std::byte>& out)
      : field_(field), values_(std::move(values)), out_(out) {
    entry_.type = static_cast<uint8_t>(field.type);
    entry_.index = static_cast<uint8_t>(field.index == FieldIndex::kSkiplist ? FieldIndex::kBtree : field.index);
  }

  // All but the name.
  Result<ColumnEntry> Write() {
    out_.resize(AlignColumn(out_.size(), 64));
    entry_.start = out_.size();
    WriteNulls();
    switch (field_.type) {
      case FieldType::kBool:
        WriteTruths();
        return entry_;
      case FieldType::kString:
      case FieldType::kStringList:
        RAGTIME_RETURN_IF_ERROR(WriteTexts());
        break;
      default:
        WriteNumbers();
    }
    WriteIndex();
    out_.resize(AlignColumn(out_.size(), 8));
    return entry_;
  }

 private:
  template <typename Value>
  void Append(std::span<const Value> values) {
    out_.resize(AlignColumn(out_.size(), 8));
    const auto bytes = std::as_bytes(values);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  template <typename Value>
  void Append(const std::vector<Value>& values) {
    Append(std::span<const Value>(values));
  }

  std::vector<uint64_t> EmptyWords() const { return std::vector<uint64_t>((values_.size() + 63) / 64); }

  void WriteNulls() {
    std::vector<uint64_t> words = EmptyWords();
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] != nullptr) continue;
      words[i / 64] |= uint64_t{1} << (i % 64);
      ++entry_.nulls;
    }
    if (entry_.nulls > 0) Append(words);
  }

  void WriteTruths() {
    std::vector<uint64_t> words = EmptyWords();
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] != nullptr && std::get<bool>(*values_[i])) words[i / 64] |= uint64_t{1} << (i % 64);
    }
    Append(words);
  }

  // Numbers, and the runs of their keys.
  void WriteNumbers() {
    const bool is_float = field_.type == FieldType::kFloat;
    std::vector<int64_t> stored(values_.size());  // Floats as their bits.
    std::vector<std::pair<int64_t, uint32_t>> sorted;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i] == nullptr) continue;
      const double* real = std::get_if<double>(values_[i]);
      const Datetime* moment = std::get_if<Datetime>(values_[i]);
      stored[i] = is_float            ? std::bit_cast<int64_t>(*real)
                  : moment != nullptr ? moment->ms
                                      : std::get<int64_t>(*values_[i]);
      if (field_.index != FieldIndex::kNone) {
        sorted.emplace_back(is_float ? OrderedBits(*real) : stored[i], static_cast<uint32_t>(i));
      }
    }
    Append(stored);
    if (field_.index == FieldIndex::kNone) return;
    std::sort(sorted.begin(), sorted.end());
    for (const auto& [key, item] : sorted) {
      if (number_keys_.empty() || number_keys_.back() != key) {
        number_keys_.push_back(key);
        starts_.push_back(static_cast<uint32_t>(order_.size()));
      }
      order_.push_back(item);
    }
    starts_.push_back(static_cast<uint32_t>(order_.size()));
    entry_.keys = static_cast<uint32_t>(number_keys_.size());
    Append(number_keys_);
    WriteLevels();
  }

  void WriteLevels() {
    std::vector<int64_t> levels;
    std::vector<int64_t> below = number_keys_;
    while (below.size() > kKeysPerBlock) {
      std::vector<int64_t> level;
      for (size_t i = 0; i < below.size(); i += kKeysPerBlock) level.push_back(below[i]);
      levels.insert(levels.end(), level.begin(), level.end());
      below = std::move(level);
    }
    Append(levels);
  }

  std::span<const std::string> TextsOf(size_t item) const {
    const FieldValue* value = values_[item];
    if (value == nullptr) return {};
    if (const auto* text = std::get_if<std::string>(value)) return {text, 1};
    return std::get<std::vector<std::string>>(*value);
  }

  // Codes, the dictionary, and the runs of its keys.
  Status WriteTexts() {
    RAGTIME_RETURN_IF_ERROR(CodeTexts());
    const bool list = field_.type == FieldType::kStringList;
    std::vector<uint32_t> codes;
    std::vector<uint32_t> list_starts = {0};
    std::vector<std::pair<uint32_t, uint32_t>> sorted;
    for (size_t i = 0; i < values_.size(); ++i) {
      for (const std::string& text : TextsOf(i)) {
        codes.push_back(codes_.at(text));
        sorted.emplace_back(codes.back(), static_cast<uint32_t>(i));
      }
      if (!list && values_[i] == nullptr) codes.push_back(0);
      list_starts.push_back(static_cast<uint32_t>(codes.size()));
    }
    if (list) {
      Append(list_starts);
      entry_.elements = static_cast<uint32_t>(codes.size());
    }
    Append(codes);
    WriteDictionary();
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    for (const auto& [code, item] : sorted) {
      // Every key has an item.
      if (starts_.size() == code) starts_.push_back(static_cast<uint32_t>(order_.size()));
      order_.push_back(item);
    }
    starts_.push_back(static_cast<uint32_t>(order_.size()));
    return Status();
  }

  Status CodeTexts() {
    uint64_t elements = 0;
    uint64_t size = 0;
    for (size_t i = 0; i < values_.size(); ++i) {
      for (const std::string& text : TextsOf(i)) {
        ++elements;
        if (codes_.try_emplace(text).second) {
          text_keys_.push_back(text);
          size += text.size();
        }
      }
    }
    if (elements > kCountMax || size > kCountMax) {
      return InvalidArgumentError(StrCat("the field \"", field_.name, "\" has more than 4 GiB of texts: ", elements,
                                         " texts, ", size, " bytes"),
                                  "Keep long texts in the documents and not in fields.");
    }
    std::sort(text_keys_.begin(), text_keys_.end());
    for (size_t k = 0; k < text_keys_.size(); ++k) codes_[text_keys_[k]] = static_cast<uint32_t>(k);
    entry_.keys = static_cast<uint32_t>(text_keys_.size());
    return Status();
  }

  void WriteDictionary() {
    std::vector<uint32_t> string_starts = {0};
    std::string strings;
    for (const std::string_view text : text_keys_) {
      strings += text;
      string_starts.push_back(static_cast<uint32_t>(strings.size()));
    }
    Append(string_starts);
    Append(std::span<const char>(strings));
    entry_.strings_size = strings.size();
  }

  void WriteIndex() {
    const auto index = static_cast<FieldIndex>(entry_.index);
    if (index == FieldIndex::kNone) return;
    if (index == FieldIndex::kBitmap) {
      WriteBitmaps();
      return;
    }
    Append(starts_);
    Append(order_);
    entry_.order_entries = static_cast<uint32_t>(order_.size());
    if (index == FieldIndex::kHash) WriteSlots();
  }

  void WriteBitmaps() {
    std::vector<uint64_t> bitmap_starts = {0};
    std::vector<std::byte> bitmaps;
    for (uint32_t key = 0; key < entry_.keys; ++key) {
      const auto items = std::span<const uint32_t>(order_).subspan(starts_[key], starts_[key + 1] - starts_[key]);
      const std::vector<std::byte> bitmap = WriteRoaring(items);
      bitmaps.insert(bitmaps.end(), bitmap.begin(), bitmap.end());
      bitmap_starts.push_back(bitmaps.size());
    }
    Append(bitmap_starts);
    Append(bitmaps);
    entry_.bitmaps_size = bitmaps.size();
  }

  // At most half full, so that a look-up meets 1.5 slots on average (linear probing: (1 + 1 / (1 - 0.5)) / 2).
  void WriteSlots() {
    if (entry_.keys > kCountMax / 4) return;  // The table's size has 32 bits; the keys are searched in halves instead.
    const uint64_t size = std::bit_ceil(uint64_t{entry_.keys} * 2 + 1);
    std::vector<uint32_t> slots(size);
    for (uint32_t key = 0; key < entry_.keys; ++key) {
      uint64_t slot =
          text_keys_.empty() ? Hash64(std::as_bytes(std::span(&number_keys_[key], 1))) : Hash64(text_keys_[key]);
      while (slots[slot & (size - 1)] != 0) ++slot;
      slots[slot & (size - 1)] = key + 1;
    }
    Append(slots);
    entry_.slots = static_cast<uint32_t>(size);
  }

  const FieldSpec& field_;
  const std::vector<const FieldValue*> values_;
  std::vector<std::byte>& out_;
  ColumnEntry entry_ = {};
  std::vector<int64_t> number_keys_;
  std::vector<std::string_view> text_keys_;
  std::unordered_map<std::string_view, uint32_t> codes_;
  std::vector<uint32_t> starts_;
  std::vector<uint32_t> order_;
};

}  // namespace

Result<std::vector<std::byte>> ColumnsType::Build(std::span<const FieldSpec> fields,
                                                  std::span<const Fields* const> items) const {
  RAGTIME_RETURN_IF_ERROR(CheckFields(fields, items));
  ColumnsHeader header = {};
  std::copy(std::begin(kColumnsMagic), std::end(kColumnsMagic), header.magic);
  header.version = kColumnsVersion;
  header.fields = static_cast<uint32_t>(fields.size());
  header.items = items.size();
  std::string names;
  for (const FieldSpec& field : fields) names += field.name;
  header.names_size = names.size();
  const uint64_t directory_size = fields.size() * sizeof(ColumnEntry);
  std::vector<std::byte> bytes(sizeof(header) + directory_size + names.size());
  std::vector<ColumnEntry> directory;
  uint32_t name = 0;
  for (const FieldSpec& field : fields) {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<const FieldValue*> values, Collect(field, items));
    RAGTIME_ASSIGN_OR_RETURN(ColumnEntry entry, ColumnWriter(field, std::move(values), bytes).Write());
    entry.name = name;
    entry.name_size = static_cast<uint32_t>(field.name.size());
    name += entry.name_size;
    directory.push_back(entry);
  }
  header.size = bytes.size();
  if (!directory.empty()) std::memcpy(bytes.data() + sizeof(header), directory.data(), directory_size);
  if (!names.empty()) std::memcpy(bytes.data() + sizeof(header) + directory_size, names.data(), names.size());
  header.directory_hash =
      Hash64(std::span<const std::byte>(bytes).subspan(sizeof(header), directory_size + names.size()));
  header.header_hash = ColumnsHeaderHash(header);
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

}  // namespace ragtime
