// SPDX-License-Identifier: Apache-2.0
//
// From the metadata of imported pieces to the fields of their documents: which names and types there are, and what each
// document has.
//
// Errors: kInvalidArgument names the field, where a declared type does not fit a value.
#ifndef RAGTIME_INGEST_IMPORT_DOCUMENT_FIELDS_H_
#define RAGTIME_INGEST_IMPORT_DOCUMENT_FIELDS_H_

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

class DocumentFields {
 public:
  // `declared` win over what is inferred; if there are any, nothing else becomes a field. `renamed` maps a field to the
  // metadata key that it comes from.
  DocumentFields(std::vector<FieldSpec> declared, std::map<std::string, std::string> renamed);

  // To be called for the metadata of every piece, before anything else.
  void Learn(const std::string& document, const Json& metadata);
  // Decides names and types. What does not become a field is in warnings().
  void Decide();
  const std::vector<FieldSpec>& specs() const { return specs_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  Result<Fields> Of(const std::string& document) const;

 private:
  struct Key {
    bool numbers = true;  // Every value is a number.
    bool integers = true;
    bool booleans = true;
    bool strings = true;
    bool datetimes = true;
    bool lists = true;    // Of strings.
    bool varies = false;  // Pieces of one document differ.
  };
  std::optional<FieldType> TypeOf(const Key& key) const;

  const std::vector<FieldSpec> declared_;
  const std::map<std::string, std::string> renamed_;
  std::map<std::string, Key> keys_;
  std::map<std::string, std::map<std::string, Json>> values_;  // By document and key.
  std::vector<FieldSpec> specs_;
  std::map<std::string, std::string> key_of_;  // By field.
  std::vector<std::string> warnings_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_DOCUMENT_FIELDS_H_
