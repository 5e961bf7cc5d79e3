// SPDX-License-Identifier: Apache-2.0
//
// A Rewriter turns a question into what the routes look for.
//
// Threads: Rewrite may be called concurrently. Errors: a failure drops the rewriting, not the question.
#ifndef RAGTIME_REWRITER_H_
#define RAGTIME_REWRITER_H_

#include <string>
#include <string_view>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct RewrittenQuery {
  std::string text;      // What is embedded, and what the answer is measured against.
  std::string keywords;  // What the keyword route looks for.
  friend bool operator==(const RewrittenQuery&, const RewrittenQuery&) = default;
};

class Rewriter {
 public:
  virtual ~Rewriter() = default;
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  // `question` is valid UTF-8, without white space at its ends, and not empty.
  virtual Result<RewrittenQuery> Rewrite(const Context& context, std::string_view question) const = 0;

 protected:
  Rewriter() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_REWRITER_H_
