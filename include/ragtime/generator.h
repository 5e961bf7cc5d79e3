// SPDX-License-Identifier: Apache-2.0
//
// A Generator continues a conversation: a language model in this process or behind an OpenAI-compatible server.
//
// Threads: every method may be called concurrently; calls may wait for each other. `on_token` is called on the calling
// thread. Errors: kUnavailable (no server, no model), kResourceExhausted (the prompt does not fit), kCancelled,
// kDeadlineExceeded.
#ifndef RAGTIME_GENERATOR_H_
#define RAGTIME_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// What a reasoning model thinks is a stream of its own: it is shown apart, and never quoted or cited.
enum class Channel { kAnswer, kReasoning };

struct GenerationRequest {
  std::vector<ChatMessage> messages;
  size_t max_tokens = 256;
  float temperature = 0.0f;  // 0: greedy.
  // Of a reasoning model: how much it may think, on top of max_tokens; 0: not at all. None: thinking counts as a part
  // of max_tokens, and in this process takes no more than half of them. A remote server may not know it.
  std::optional<size_t> thinking_tokens;
  // n > 0: the only bracketed numbers that may appear are [1] ... [n]. A remote server cannot be held to it; there the
  // caller checks.
  size_t passage_count = 0;
  // The answer is one JSON value that this JSON schema allows, "" for any object, and no reasoning is asked for. A
  // model in this process can write nothing else (what of a schema it cannot be held to is kInvalidArgument); a server
  // is asked for it by response_format. Cut off by max_tokens it is the beginning of one. None: the answer is text.
  std::optional<std::string> json_schema;
  // Of the last message: texts that stand in many prompts at different places, in ascending order. What a model made of
  // one of them may be used again elsewhere, where that was measured to do little harm.
  std::vector<Span> chunks;
  // Whose request it is, "" for nobody's: where many wait, clients are served in turn, and each one's own in order.
  std::string client;
};

struct GenerationResult {
  std::string text;       // The answer channel, whole.
  std::string reasoning;  // The reasoning channel, whole.
  size_t prompt_tokens = 0;
  size_t cached_tokens = 0;  // Of the prompt, not computed again.
  size_t completion_tokens = 0;
  double queue_ms = 0;                // Of ttft_ms, what was spent waiting for room.
  double ttft_ms = 0;                 // From the call to the first token of either channel.
  double tpot_ms = 0;                 // Mean time of each token after the first.
  bool truncated = false;             // max_tokens or the context ended it.
  std::vector<std::string> warnings;  // What went wrong without harm, e.g. a saved state that could not be read.
};

// What a generator has done since it was made, and what it is doing. Zeros where it does not count.
struct GeneratorStatistics {
  uint64_t requests_waiting = 0;
  uint64_t requests_running = 0;
  uint64_t batches = 0;       // Computed.
  uint64_t batch_tokens = 0;  // In all batches.
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // Of prompt_tokens, not computed again.
  uint64_t joined_tokens = 0;  // Of cached_tokens, those that stood at another place when they were computed.
  uint64_t completion_tokens = 0;
  uint64_t guessed_tokens = 0;  // Computed ahead of their turn, and those of them that were right.
  uint64_t right_guesses = 0;
  uint64_t cells = 0;  // Tokens that the model's memory holds at most, and now reserves for requests.
  uint64_t cells_reserved = 0;
  uint64_t states_memory_bytes = 0;  // Saved states of prompts.
  uint64_t states_disk_bytes = 0;
};

struct GeneratorInfo {
  std::string model;
  std::vector<std::string> languages;  // ISO 639-1 codes the model declares; empty: any.
  size_t context_tokens = 0;
  bool cites = true;           // False: it is known to put no markers under what it says, however it is asked.
  bool holds_markers = false;  // It is held to GenerationRequest::passage_count while it writes.
};

// An answer with chunks joined that were computed elsewhere, beside the one with the whole prompt computed.
struct JoinedAnswer {
  size_t head_tokens = 0;      // Of each chunk, computed anew in its place.
  double divergence_nats = 0;  // Kullback-Leibler, of the first token's distribution from what it is exactly.
  size_t tokens = 0;           // Of both answers, the more.
  size_t agreed = 0;           // Of these, before the first that differs.
  size_t joined_tokens = 0;    // Of the prompt. 0: its chunks have no more than their heads.
  double ttft_ms = 0;
  std::string text;
};
struct JoinComparison {
  std::string text;  // With the whole prompt computed.
  double ttft_ms = 0;
  std::vector<JoinedAnswer> joined;  // One for each number of head tokens, in the order asked for.
};

// What many comparisons gave with one number of head tokens.
struct JoinPoint {
  size_t head_tokens = 0;
  double divergence_nats = 0;  // Mean.
  double agreement = 0;        // Of all tokens.
  double ttft_ms = 0;          // Median.
  double from_passages = 0;    // As JoinRecord has them.
  double on_topic = 0;
  bool allowed = false;  // Within the bounds, and sooner than the whole prompt.
};
// What they gave with each, and what follows for later answers.
struct JoinRecord {
  size_t questions = 0;
  double whole_ttft_ms = 0;  // Median, with the whole prompt computed.
  // How good these answers are: of their words the share that stands in the passages, and of the question's words the
  // share that stands in them, means.
  double whole_from_passages = 0;
  double whole_on_topic = 0;
  std::vector<JoinPoint> points;  // By ascending head_tokens.
  size_t head_tokens = 0;         // What later answers go by: the least that is allowed. 0: none is, nothing is joined.
};

class Generator {
 public:
  // Gets each piece of text as it comes (whole UTF-8 characters). Returning false stops the generation early, which is
  // no error.
  using OnToken = std::function<bool(Channel channel, std::string_view text)>;

  virtual ~Generator() = default;
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  virtual const GeneratorInfo& info() const = 0;
  // Exact for a model in process, an upper estimate for a remote one.
  virtual size_t CountTokens(std::string_view text) const = 0;
  virtual Result<GenerationResult> Generate(const Context& context, const GenerationRequest& request,
                                            const OnToken& on_token) = 0;
  // Does now what the first Generate would have to wait for: loads the model, and reads or finds `beginning`, the
  // messages that conversations begin with. Not OK: Generate would fail too. A remote server is asked nothing.
  virtual Status Prepare(const Context&, const std::vector<ChatMessage>& /*beginning*/) { return Status(); }
  // What the conversation said that Prepare has made ready, as text up to the end of its last message; "" before
  // Prepare, or where nothing is kept of conversations.
  virtual std::string prepared_prompt() const { return ""; }
  // Says that Generate will be called soon: begins to load the model, beside the caller, and returns at once. What goes
  // wrong is told by Generate.
  virtual void Expect() {}
  virtual GeneratorStatistics statistics() const { return {}; }
  // Answers with the whole prompt computed, and with chunks joined of which so many tokens each are computed anew; the
  // chunks are computed apart first. kUnimplemented where nothing is kept of prompts, kFailedPrecondition where with
  // the first number of head tokens nothing of this request can be joined.
  virtual Result<JoinComparison> CompareJoins(const Context&, const GenerationRequest&,
                                              std::span<const size_t> /*head_tokens*/) {
    return UnimplementedError("only a language model in this process can join what it has computed of passages",
                              "set llm: {api: local}");
  }
  // Keeps the record beside the saved states; it decides whether answers join chunks when the model is loaded again.
  virtual Status KeepJoinRecord(const JoinRecord&) {
    return UnimplementedError("only a language model in this process keeps states", "set llm: {api: local}");
  }
  // What was kept for this model. None: it was never measured, and nothing is joined.
  virtual std::optional<JoinRecord> join_record() const { return std::nullopt; }

 protected:
  Generator() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_GENERATOR_H_
