// SPDX-License-Identifier: Apache-2.0
//
// The InputTable of a BERT model in a mapped GGUF file: word rows of type Q4_0, position rows (and those of token type
// 0) of type F32.
//
// Threads: immutable. Errors: kUnimplemented for another architecture or type, kDataLoss for sizes that disagree.
#ifndef RAGTIME_MODEL_INPUT_TABLE_H_
#define RAGTIME_MODEL_INPUT_TABLE_H_

#include <memory>

#include "model/encoder.h"
#include "model/gguf_file.h"
#include "ragtime/status.h"

namespace ragtime {

Result<std::shared_ptr<const InputTable>> MakeInputTable(std::shared_ptr<const GgufFile> file);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_INPUT_TABLE_H_
