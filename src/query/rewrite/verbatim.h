// SPDX-License-Identifier: Apache-2.0
//
// The question as it was asked: valid UTF-8, one space between words, none at the ends.
#ifndef RAGTIME_QUERY_REWRITE_VERBATIM_H_
#define RAGTIME_QUERY_REWRITE_VERBATIM_H_

#include <string>
#include <string_view>

#include "ragtime/rewriter.h"

namespace ragtime {

// Runs of white space become one space, those at the ends go, and bytes that are not UTF-8 become U+FFFD.
std::string NormaliseQuestion(std::string_view question);

// Looks for the question itself on every route.
class VerbatimRewriter : public Rewriter {
 public:
  Result<RewrittenQuery> Rewrite(const Context& context, std::string_view question) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_REWRITE_VERBATIM_H_
