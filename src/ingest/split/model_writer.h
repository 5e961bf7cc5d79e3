// SPDX-License-Identifier: Apache-2.0
//
// WriteByModel has a language model write about a text: its summary, its keywords, or questions that it answers.
//
// Threads: may be called concurrently. Errors: those of the generator.
#ifndef RAGTIME_INGEST_SPLIT_MODEL_WRITER_H_
#define RAGTIME_INGEST_SPLIT_MODEL_WRITER_H_

#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/status.h"

namespace ragtime {

enum class WrittenKind { kSummary, kKeywords, kQuestions };

// A summary is one element; keywords and questions are one each, without bullets and repetitions. Empty where the model
// wrote nothing of use. A text beyond the model's context is read up to there.
Result<std::vector<std::string>> WriteByModel(const Context& context, WrittenKind kind, std::string_view text,
                                              Generator& generator);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_MODEL_WRITER_H_
