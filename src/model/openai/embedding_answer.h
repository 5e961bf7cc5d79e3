// SPDX-License-Identifier: Apache-2.0
//
// ReadEmbeddings takes the vectors out of what a server has answered to /embeddings.
//
// Errors: kFailedPrecondition (no answer of such a server), kDataLoss (too few vectors, or one that cannot be used).
#ifndef RAGTIME_MODEL_OPENAI_EMBEDDING_ANSWER_H_
#define RAGTIME_MODEL_OPENAI_EMBEDDING_ANSWER_H_

#include <cstddef>
#include <vector>

#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

// Vectors of length 1, as lists of numbers or base64, in the order of the inputs, whatever the order of the answer.
// They need not have the same dimension.
Result<std::vector<std::vector<float>>> ReadEmbeddings(const Json& answer, size_t count);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_EMBEDDING_ANSWER_H_
