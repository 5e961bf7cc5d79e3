// SPDX-License-Identifier: Apache-2.0
//
// Fields and their declarations as JSON: as a reader sees them, and as they are kept, where no type is lost.
//
// Errors: kInvalidArgument names the field; what was kept and cannot be read is kDataLoss.
#ifndef RAGTIME_WIRE_FIELD_JSON_H_
#define RAGTIME_WIRE_FIELD_JSON_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

// A datetime is a string in ISO 8601, null is null.
Json FieldValueToJson(const FieldValue& value);
Json FieldsToJson(const Fields& fields);
// What somebody wrote as a value of `spec`: a number may stand in a string, a single string for a list.
Result<FieldValue> FieldValueFromJson(const FieldSpec& spec, const Json& json);

// {"year":2020,"at":{"ms":1704067200000}}; "" for no fields.
std::string EncodeFields(const Fields& fields);
Result<Fields> DecodeFields(std::string_view text);
// [{"name":"year","type":"int","index":"btree"}]
std::string EncodeFieldSpecs(std::span<const FieldSpec> specs);
Result<std::vector<FieldSpec>> DecodeFieldSpecs(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_FIELD_JSON_H_
