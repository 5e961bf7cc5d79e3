// SPDX-License-Identifier: Apache-2.0
#include "model/scripted/scripted_generator.h"

#include <algorithm>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "model/scripted/scripted_words.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

// Cuts a text behind each of its words, so that the pieces joined are the text.
std::vector<std::string_view> Pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t start = 0;
  for (const ScriptedWord& word : ScriptedWords(text)) {
    const size_t end = static_cast<size_t>(word.text.data() - text.data()) + word.text.size();
    pieces.push_back(text.substr(start, end - start));
    start = end;
  }
  if (start < text.size()) {
    if (pieces.empty()) {
      pieces.push_back(text);
    } else {
      std::string_view& last = pieces.back();
      last = std::string_view(last.data(), last.size() + text.size() - start);
    }
  }
  return pieces;
}

}  // namespace

ScriptedGenerator::ScriptedGenerator(Script script, GeneratorInfo info)
    : info_(std::move(info)), script_(std::move(script)) {}

ScriptedGenerator::ScriptedGenerator(std::vector<ScriptedReply> replies, GeneratorInfo info)
    : info_(std::move(info)), replies_(std::move(replies)) {}

ScriptedGenerator::ScriptedGenerator(std::string text)
    : ScriptedGenerator(std::vector<ScriptedReply>{ScriptedReply{.text = std::move(text)}}) {}

GeneratorInfo ScriptedGenerator::DefaultInfo() {
  return {.model = "scripted", .languages = {}, .context_tokens = 4096};
}

size_t ScriptedGenerator::CountTokens(std::string_view text) const { return ScriptedWords(text).size(); }

std::vector<GenerationRequest> ScriptedGenerator::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

size_t ScriptedGenerator::calls() const {
  std::lock_guard lock(mutex_);
  return requests_.size();
}

ScriptedReply ScriptedGenerator::NextReply(const GenerationRequest& request) {
  size_t call;
  {
    std::lock_guard lock(mutex_);
    call = requests_.size();
    requests_.push_back(request);
  }
  if (script_) return script_(request);
  if (replies_.empty()) return {};
  return replies_[std::min(call, replies_.size() - 1)];
}

Result<GenerationResult> ScriptedGenerator::Generate(const Context& context, const GenerationRequest& request,
                                                     const OnToken& on_token) {
  const Stopwatch stopwatch;
  const ScriptedReply reply = NextReply(request);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  GenerationResult result;
  for (const ChatMessage& message : request.messages) result.prompt_tokens += CountTokens(message.content);
  if (result.prompt_tokens >= info_.context_tokens) {
    return ResourceExhaustedError(StrCat("the prompt is longer than the context of ", info_.model, ": ",
                                         result.prompt_tokens, " of ", info_.context_tokens, " tokens"));
  }
  std::vector<std::pair<Channel, std::string_view>> pieces;
  for (std::string_view piece : Pieces(reply.reasoning)) pieces.emplace_back(Channel::kReasoning, piece);
  for (std::string_view piece : Pieces(reply.text)) pieces.emplace_back(Channel::kAnswer, piece);
  for (const auto& [channel, piece] : pieces) {
    if (!reply.error.ok() && result.completion_tokens == reply.words_before_error) return reply.error;
    if (result.completion_tokens == request.max_tokens) {
      result.truncated = true;
      break;
    }
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, reply.delay_ms));
    if (++result.completion_tokens == 1) result.ttft_ms = stopwatch.ElapsedMs();
    (channel == Channel::kAnswer ? result.text : result.reasoning) += piece;
    if (on_token && !on_token(channel, piece)) return result;
  }
  if (!reply.error.ok()) return reply.error;
  if (result.completion_tokens > 1) {
    result.tpot_ms = (stopwatch.ElapsedMs() - result.ttft_ms) / static_cast<double>(result.completion_tokens - 1);
  }
  return result;
}

}  // namespace ragtime
