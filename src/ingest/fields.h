// SPDX-License-Identifier: Apache-2.0
//
// FieldReader finds the fields of a document: what the caller gives, what its sidecar says, and what its front matter
// says, where the first that has a field wins.
//
// Threads: may be used concurrently. Errors: what cannot be read is left out, and a warning names it with the remedy.
#ifndef RAGTIME_INGEST_FIELDS_H_
#define RAGTIME_INGEST_FIELDS_H_

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/field.h"

namespace ragtime {

// report.html.meta.json beside report.html: a JSON object of fields.
inline constexpr std::string_view kSidecarEnding = ".meta.json";

struct FieldSources {
  Fields given;                   // By the caller.
  std::filesystem::path sidecar;  // "": there is none.
};

struct DocumentFields {
  Fields fields;          // Declared ones only, each of its type.
  std::string meta_hash;  // Of what they come from, as FileRecord has it.
  std::vector<std::string> warnings;
};

class FieldReader {
 public:
  // `made_by` is put behind every meta_hash: whatever else decides what a document becomes (NodeGroups::made_by).
  explicit FieldReader(std::vector<FieldSpec> declared, std::string made_by = {});

  const std::vector<FieldSpec>& declared() const { return declared_; }
  const std::string& made_by() const { return made_by_; }
  // FileRecord::meta_hash of a document with these sources; only `made_by` if no field is declared. Reads the sidecar.
  std::string MetaHash(const FieldSources& sources) const;
  // `front_matter` is Document::front_matter.
  DocumentFields Read(const FieldSources& sources, std::string_view front_matter) const;

 private:
  std::vector<FieldSpec> declared_;
  std::string made_by_;
  std::string declared_text_;  // Names and types, which decide what a value becomes; the order does not.
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_FIELDS_H_
