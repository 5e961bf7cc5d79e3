// SPDX-License-Identifier: Apache-2.0
#include "fields_targets.h"

#include <cmath>

#include "base/str_cat.h"
#include "ingest/fields.h"
#include "ingest/read/markdown_reader.h"
#include "require.h"
#include "text/utf8.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

const FieldReader& Fuzzed() {
  static const FieldReader* const reader = new FieldReader({{"year", FieldType::kInt, FieldIndex::kNone},
                                                            {"author", FieldType::kString, FieldIndex::kNone},
                                                            {"tags", FieldType::kStringList, FieldIndex::kNone},
                                                            {"date", FieldType::kDatetime, FieldIndex::kNone},
                                                            {"score", FieldType::kFloat, FieldIndex::kNone},
                                                            {"draft", FieldType::kBool, FieldIndex::kNone}});
  return *reader;
}

size_t Check(const Fields& fields) {
  for (const auto& [name, value] : fields) {
    bool declared = false;
    for (const FieldSpec& spec : Fuzzed().declared())
      declared = declared || (spec.name == name && HasType(value, spec.type));
    Require(declared);
    if (const auto* text = std::get_if<std::string>(&value)) Require(FindInvalidUtf8(*text) == std::string::npos);
    if (const auto* number = std::get_if<double>(&value)) Require(!std::isnan(*number));
  }
  const Result<Fields> kept = DecodeFields(EncodeFields(fields));
  Require(kept.ok() && *kept == fields);
  return fields.size();
}

}  // namespace

size_t UseAsFrontMatter(std::string_view text) {
  const Result<Document> document = MarkdownReader().Read(StrCat("---\n", text, "---\nText.\n"));
  if (!document.ok()) return 0;
  return Check(Fuzzed().Read({}, document->front_matter).fields);
}

size_t UseAsSidecar(std::string_view text) {
  const Result<Json> json = Json::Parse(text);
  if (!json.ok()) return 0;
  Fields fields;
  for (const FieldSpec& spec : Fuzzed().declared()) {
    Result<FieldValue> value = FieldValueFromJson(spec, (*json)[spec.name]);
    if (value.ok() && !std::holds_alternative<std::monostate>(*value)) fields[spec.name] = *std::move(value);
  }
  return Check(fields);
}

}  // namespace ragtime
