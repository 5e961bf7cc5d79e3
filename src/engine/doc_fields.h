// SPDX-License-Identifier: Apache-2.0
//
// doc_fields of the configuration: {year: int, author: {type: string, index: hash}}, or as LazyLLM spells it.
//
// Errors: kInvalidArgument names the line, the field and what could stand there.
#ifndef RAGTIME_ENGINE_DOC_FIELDS_H_
#define RAGTIME_ENGINE_DOC_FIELDS_H_

#include <vector>

#include "ragtime/field.h"
#include "ragtime/status.h"
#include "wire/yaml.h"

namespace ragtime {

// In the order written. An index that is not given is a btree, for a bool and a list a bitmap.
Result<std::vector<FieldSpec>> ParseDocFields(const Yaml& map);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_DOC_FIELDS_H_
