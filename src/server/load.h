// SPDX-License-Identifier: Apache-2.0
//
// RunLoad asks a server that speaks OpenAI's chat completions many questions, some at once, and measures what its users
// see: over HTTP, streamed.
//
// Errors: only what makes the whole run useless (no question, a cancelled context). A request that fails is counted.
#ifndef RAGTIME_SERVER_LOAD_H_
#define RAGTIME_SERVER_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct LoadOptions {
  std::string base_url;    // Ending in /v1.
  std::string model;       // "": the request names none.
  std::string api_key;     // "": none is sent.
  size_t users = 1;        // Requests under way at once; each user asks the next question when he has his answer.
  size_t max_tokens = 64;  // Of each answer.
  int64_t timeout_ms = 600000;
};

struct LoadReport {
  size_t users = 0;
  size_t requests = 0;
  size_t failed = 0;        // No answer, an error, or a stream that ended early. Not in the figures below.
  std::string first_error;  // Of those.
  double ttft_p50_ms = 0;   // From sending to the first piece of text, thinking included.
  double ttft_p95_ms = 0;
  double tpot_p50_ms = 0;  // Of each token after the first, the median of the requests.
  double tokens_per_s = 0;
  double requests_per_s = 0;
  uint64_t prompt_tokens = 0;      // As the server counts them; 0 where it does not.
  uint64_t cached_tokens = 0;      // Of prompt_tokens, not computed again.
  uint64_t completion_tokens = 0;  // Where the server does not count them: the pieces.
};

// One request for each question, in order.
Result<LoadReport> RunLoad(const Context& context, const LoadOptions& options,
                           const std::vector<std::string>& questions);

// `count` questions drawn from `questions` by Zipf's law (exponent 1): the first is asked most. The same for a seed.
std::vector<std::string> DrawQuestions(const std::vector<std::string>& questions, size_t count, uint64_t seed);

}  // namespace ragtime

#endif  // RAGTIME_SERVER_LOAD_H_
