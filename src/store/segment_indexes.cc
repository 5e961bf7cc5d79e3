// SPDX-License-Identifier: Apache-2.0
//
// The indexes of a Segment: opened when they are first asked, refused where they are of another version or type.
#include <algorithm>

#include "base/str_cat.h"
#include "ragtime/version.h"
#include "store/segment.h"
#include "text/words.h"

namespace ragtime {

Status Segment::CheckIndexName(const SectionEntry& entry, std::string_view name, uint32_t version,
                               uint32_t version_min) const {
  if (entry.index_name() == name && entry.version >= version_min && entry.version <= version) return Status();
  const std::string message = StrCat("the segment ", name_, " holds the index ", entry.index_name(), " version ",
                                     entry.version, ", not ", name, " version ", version);
  if (entry.index_name() == name) {
    return FailedPreconditionError(
        message, entry.version < version ? "run ragtime compact, which makes it anew" : "use a newer Ragtime");
  }
  return FailedPreconditionError(message, StrCat("open it with index_type ", entry.index_name(),
                                                 ", or ingest the documents into a new "
                                                 "knowledge base"));
}

Result<std::unique_ptr<VectorIndex>> Segment::OpenIndex(const std::string& key, const SectionEntry& entry,
                                                        const VectorMatrix& matrix) const {
  const VectorIndexType* found = indexes_.FindVector(key, entry.index_name());
  const VectorIndexType& type = found != nullptr ? *found : *indexes_.vector;
  RAGTIME_RETURN_IF_ERROR(CheckIndexName(entry, type.name(), type.version(), type.version_min()));
  IndexFile where{.path = name_, .index_offset = entry.offset};
  if (opened_ != nullptr) {
    where.descriptor = opened_->descriptor();
    where.vectors_offset = static_cast<uint64_t>(reinterpret_cast<const std::byte*>(matrix.data) - bytes_.data());
  }
  auto index = where.descriptor < 0 ? type.Open(BytesOf(entry), matrix, metric_)
                                    : type.OpenInFile(BytesOf(entry), matrix, metric_, where);
  if (!index.ok()) return OfPart(index.status());
  return index;
}

Status Segment::OpenVectorIndex() const {
  const SectionEntry* entry = Find(SectionType::kVectorIndex);
  if (entry == nullptr) return Damaged("its vector index is missing");
  const VectorMatrix matrix{
      .data = reinterpret_cast<const float*>(vectors_.data()), .rows = rows(), .dimension = header_.dimension};
  RAGTIME_ASSIGN_OR_RETURN(vector_index_.value, OpenIndex("", *entry, matrix));
  return Status();
}

Status Segment::CheckWords() const {
  const uint32_t made_with = header_.words_version;
  const uint32_t expected = WordsVersion(indexes_.chinese.get());
  if (made_with == expected) return Status();
  const auto name = [](uint32_t version) -> std::string_view {
    return (version & kDictionaryBit) == 0 ? "characters and pairs" : "words of a dictionary";
  };
  if (((made_with | expected) & kDictionaryBit) != 0) {
    return FailedPreconditionError(
        StrCat("the Chinese texts of the segment ", name_, " were cut into ", name(made_with),
               ", and the configuration wants ", name(expected),
               (made_with & expected & kDictionaryBit) != 0 ? ", which is another one" : ""),
        "set words.chinese and words.user_dictionary as they were, or run ragtime compact, which cuts the texts anew");
  }
  return FailedPreconditionError(
      StrCat("the keyword index of the segment ", name_, " was made with words version ", made_with,
             ", and this Ragtime ", kVersion, " has ", expected),
      made_with < expected ? "run ragtime compact, which makes it anew" : "use a newer Ragtime");
}

Status Segment::OpenKeywordIndex() const {
  const SectionEntry* entry = Find(SectionType::kKeywordIndex);
  if (entry == nullptr) return Damaged("its keyword index is missing");
  const KeywordIndexType& type = *indexes_.keyword;
  RAGTIME_RETURN_IF_ERROR(CheckIndexName(*entry, type.name(), type.version(), type.version()));
  RAGTIME_RETURN_IF_ERROR(CheckWords());
  auto index = indexes_.keyword->Open(BytesOf(*entry));
  if (!index.ok()) return OfPart(index.status());
  keyword_index_.value = *std::move(index);
  return Status();
}

Result<const VectorIndex*> Segment::vector_index() const {
  if (header_.dimension == 0) return nullptr;
  std::call_once(vector_index_.once, [this] { vector_index_.status = OpenVectorIndex(); });
  if (!vector_index_.status.ok()) return vector_index_.status;
  return vector_index_.value.get();
}

Result<const VectorIndex*> Segment::named_index(const NamedColumn& column) const {
  auto& lazy = named_indexes_[static_cast<size_t>(&column - named_.data())];
  std::call_once(lazy.once, [&] {
    auto index = OpenIndex(column.key, *column.index, column.matrix());
    lazy.status = index.status();
    if (index.ok()) lazy.value = *std::move(index);
  });
  if (!lazy.status.ok()) return lazy.status;
  return lazy.value.get();
}

Result<const KeywordIndex*> Segment::keyword_index() const {
  std::call_once(keyword_index_.once, [this] { keyword_index_.status = OpenKeywordIndex(); });
  if (!keyword_index_.status.ok()) return keyword_index_.status;
  return keyword_index_.value.get();
}

bool Segment::outdated() const {
  const auto older = [this](SectionType type, std::string_view name, uint32_t version) {
    const SectionEntry* entry = Find(type);
    return entry != nullptr && entry->index_name() == name && entry->version < version;
  };
  const auto older_vector = [this](const SectionEntry* entry) {
    const VectorIndexType* type = entry == nullptr ? nullptr : indexes_.FindVector(entry->index_name());
    return type != nullptr && entry->version < type->version();
  };
  const bool older_vectors =
      older_vector(Find(SectionType::kVectorIndex)) ||
      std::any_of(named_.begin(), named_.end(), [&](const NamedColumn& column) { return older_vector(column.index); });
  // Words with a dictionary have no order: any others are made anew.
  const uint32_t words = WordsVersion(indexes_.chinese.get());
  const bool other_words = ((header_.words_version | words) & kDictionaryBit) != 0 ? header_.words_version != words
                                                                                   : header_.words_version < words;
  return other_words || older_vectors ||
         older(SectionType::kKeywordIndex, indexes_.keyword->name(), indexes_.keyword->version()) ||
         (indexes_.fields != nullptr &&
          older(SectionType::kFields, indexes_.fields->name(), indexes_.fields->version()));
}

std::string_view Segment::vector_index_name() const {
  const SectionEntry* entry = Find(SectionType::kVectorIndex);
  return entry == nullptr ? std::string_view() : entry->index_name();
}

bool Segment::has_other_vector_index() const {
  if (header_.dimension > 0 && vector_index_name() != indexes_.VectorFor(rows()).name()) return true;
  return std::any_of(named_.begin(), named_.end(), [this](const NamedColumn& column) {
    return column.index->index_name() != indexes_.VectorFor(column.key, column.count).name();
  });
}

Status Segment::OpenFields() const {
  const SectionEntry* entry = Find(SectionType::kFields);
  if (entry == nullptr || indexes_.fields == nullptr) return Status();
  const FieldColumnsType& type = *indexes_.fields;
  RAGTIME_RETURN_IF_ERROR(CheckIndexName(*entry, type.name(), type.version(), type.version()));
  auto columns = indexes_.fields->Open(BytesOf(*entry));
  if (!columns.ok()) return OfPart(columns.status());
  if ((*columns)->items() != document_count()) return Damaged("its columns are of other documents");
  fields_.value = *std::move(columns);
  return Status();
}

Result<const FieldColumns*> Segment::fields() const {
  std::call_once(fields_.once, [this] { fields_.status = OpenFields(); });
  if (!fields_.status.ok()) return fields_.status;
  return fields_.value.get();
}

}  // namespace ragtime
