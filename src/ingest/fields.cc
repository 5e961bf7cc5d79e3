// SPDX-License-Identifier: Apache-2.0
#include "ingest/fields.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "filter/value_check.h"
#include "text/utf8.h"
#include "wire/field_json.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

constexpr size_t kSidecarBytesMax = size_t{1} << 20;
constexpr size_t kFrontMatterBytesMax = size_t{64} << 10;

// None if there is no sidecar.
std::optional<Result<std::string>> ReadSidecar(const FieldSources& sources) {
  if (sources.sidecar.empty()) return std::nullopt;
  return ReadFile(sources.sidecar, kSidecarBytesMax);
}

std::string HashOf(std::string_view declared_text, const std::optional<Result<std::string>>& sidecar,
                   const Fields& given) {
  // Each part with its length, so that no two of them can be taken for two others.
  const std::string given_text = EncodeFields(given);
  std::string text = StrCat(declared_text.size(), " ", given_text.size(), sidecar ? " sidecar " : " none ");
  text.append(declared_text).append(given_text);
  // One that could not be read is another when it can be.
  if (sidecar) text += sidecar->ok() ? "+" + **sidecar : "-" + sidecar->status().message();
  return HashHex(text);
}

std::string WithRemedy(const Status& status) {
  return status.remedy().empty() ? status.message() : StrCat(status.message(), "; ", status.remedy());
}

// One document's fields in the making.
class Collection {
 public:
  explicit Collection(DocumentFields& result) : result_(result) {}

  // Takes the value unless an earlier source had the field, rightly or wrongly.
  void Add(const FieldSpec& spec, std::string_view source, Result<FieldValue> value) {
    if (std::find(seen_.begin(), seen_.end(), &spec) != seen_.end()) return;
    seen_.push_back(&spec);
    // What a store refuses would end the ingestion there.
    const Status status = value.ok() ? CheckValue(StrCat("the field ", spec.name), spec.type, *value) : value.status();
    if (!status.ok()) {
      Warn(source, status);
    } else if (!std::holds_alternative<std::monostate>(*value)) {
      result_.fields[spec.name] = *std::move(value);
    }
  }
  void Warn(std::string_view source, const Status& status) {
    result_.warnings.push_back(StrCat("in ", source, " ", WithRemedy(status)));
  }

 private:
  DocumentFields& result_;
  std::vector<const FieldSpec*> seen_;
};

void AddGiven(std::span<const FieldSpec> declared, const Fields& given, Collection& collection) {
  for (const FieldSpec& spec : declared) {
    const auto found = given.find(spec.name);
    if (found == given.end()) continue;
    FieldValue value = found->second;
    const auto* whole = std::get_if<int64_t>(&value);
    if (spec.type == FieldType::kFloat && whole != nullptr) value = static_cast<double>(*whole);
    collection.Add(spec, "what the caller gave,", std::move(value));
  }
}

void AddSidecar(std::span<const FieldSpec> declared, const std::filesystem::path& path,
                const Result<std::string>& bytes, Collection& collection) {
  const std::string name = ReplaceInvalidUtf8(path.filename().string());
  if (!bytes.ok()) return collection.Warn(name, bytes.status());
  const Result<Json> json = Json::Parse(*bytes);
  if (!json.ok() || !json->is_object()) {
    const std::string why = json.ok() ? "there is no JSON object" : json.status().message();
    return collection.Warn(name, InvalidArgumentError(why, "write {\"field\": value}; its fields are left out"));
  }
  for (const FieldSpec& spec : declared) {
    if (json->Has(spec.name)) collection.Add(spec, name, FieldValueFromJson(spec, (*json)[spec.name]));
  }
}

void AddFrontMatter(std::span<const FieldSpec> declared, std::string_view text, Collection& collection) {
  if (text.empty()) return;
  constexpr std::string_view kName = "the front matter";
  const Result<Yaml> yaml = ParseYaml(text, kFrontMatterBytesMax);
  if (!yaml.ok()) return collection.Warn(kName, yaml.status());
  if (!yaml->is_map() && !yaml->is_null()) {
    return collection.Warn(kName, InvalidArgumentError("there is no map of keys", "write key: value"));
  }
  for (const FieldSpec& spec : declared) {
    const Yaml* const value = yaml->Find(spec.name);
    if (value == nullptr) continue;
    collection.Add(spec, StrCat("line ", value->line), FieldValueFromJson(spec, value->ToJson()));
  }
}

}  // namespace

FieldReader::FieldReader(std::vector<FieldSpec> declared, std::string made_by)
    : declared_(std::move(declared)), made_by_(std::move(made_by)) {
  std::vector<std::string> fields;
  for (const FieldSpec& spec : declared_) fields.push_back(StrCat(spec.name, ":", FieldTypeName(spec.type), "\n"));
  std::sort(fields.begin(), fields.end());
  for (const std::string& field : fields) declared_text_ += field;
}

std::string FieldReader::MetaHash(const FieldSources& sources) const {
  if (declared_.empty()) return made_by_;
  return HashOf(declared_text_, ReadSidecar(sources), sources.given) + made_by_;
}

DocumentFields FieldReader::Read(const FieldSources& sources, std::string_view front_matter) const {
  DocumentFields result;
  result.meta_hash = made_by_;
  if (declared_.empty()) return result;
  const std::optional<Result<std::string>> sidecar = ReadSidecar(sources);
  result.meta_hash = HashOf(declared_text_, sidecar, sources.given) + made_by_;
  Collection collection(result);
  AddGiven(declared_, sources.given, collection);
  if (sidecar) AddSidecar(declared_, sources.sidecar, *sidecar, collection);
  AddFrontMatter(declared_, front_matter, collection);
  return result;
}

}  // namespace ragtime
