// SPDX-License-Identifier: Apache-2.0
//
// How many tokens a text has for a model whose tokenizer is a server's own: estimated, and from above.
#ifndef RAGTIME_MODEL_OPENAI_TOKEN_ESTIMATE_H_
#define RAGTIME_MODEL_OPENAI_TOKEN_ESTIMATE_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace ragtime {

size_t EstimateTokens(std::string_view text);

// Cuts a text into parts of at most so many estimated tokens, behind a blank or a CJK character where there is one, so
// that the parts joined are the text. At least one part; of more than a character only what fits.
std::vector<std::string_view> CutByTokens(std::string_view text, size_t tokens_max);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_TOKEN_ESTIMATE_H_
