// SPDX-License-Identifier: Apache-2.0
#include "model/openai/completion_stream.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr size_t kWholeBytesMax = size_t{16} << 20;
// Some servers cut the text between the bytes of one character and put the halves into two JSON strings, which is
// malformed. Each such byte travels through the JSON parser as a private character and is joined again behind it.
constexpr char32_t kByteBase = 0x10FF00;

std::string HideInvalidBytes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (character.valid) {
      out.append(text, i, character.size_bytes);
    } else {
      for (size_t k = 0; k < character.size_bytes; ++k) {
        AppendUtf8(kByteBase + static_cast<unsigned char>(text[i + k]), out);
      }
    }
    i += character.size_bytes;
  }
  return out;
}

std::string ShowInvalidBytes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (character.code_point >= kByteBase + 0x80 && character.code_point <= kByteBase + 0xFF) {
      out += static_cast<char>(character.code_point - kByteBase);
    } else {
      out.append(text, i, character.size_bytes);
    }
    i += character.size_bytes;
  }
  return out;
}

size_t AsCount(const Json& json) { return static_cast<size_t>(std::max<int64_t>(0, json.AsInt())); }

}  // namespace

CompletionStream::CompletionStream(bool is_event_stream, AnswerStream& answer)
    : is_event_stream_(is_event_stream),
      answer_(answer),
      parser_([this](const SseEvent& event) { TakeEvent(event); }) {}

bool CompletionStream::Feed(std::string_view bytes) {
  if (is_event_stream_) {
    if (Status status = parser_.Feed(bytes); !status.ok() && error_.ok()) error_ = std::move(status);
  } else if (whole_.size() + bytes.size() <= kWholeBytesMax) {
    whole_ += bytes;
  } else {
    error_ = ResourceExhaustedError(StrCat("the answer is longer than ", kWholeBytesMax, " bytes"));
  }
  return wanted_ && error_.ok() && !failure_;
}

Status CompletionStream::Finish() {
  if (!wanted_) return Status();
  if (is_event_stream_) {
    parser_.Finish();
  } else if (error_.ok()) {
    // A server that does not stream answers in one piece.
    Result<Json> completion = Json::Parse(whole_);
    if (!completion.ok() || (!completion->Has("choices") && !completion->Has("error"))) {
      return FailedPreconditionError("what answers is no OpenAI-compatible server: its answer holds no choices",
                                     "check llm.base_url; it usually ends in /v1");
    }
    TakeCompletion(*completion);
  }
  RAGTIME_RETURN_IF_ERROR(error_);
  if (failure_ || !wanted_ || done_) return Status();
  return UnavailableError(StrCat("the stream ended before the answer was complete, after ", answer_.feeds(), " pieces"),
                          "ask again, and look into the server's log");
}

void CompletionStream::TakeEvent(const SseEvent& event) {
  if (!wanted_ || !error_.ok() || failure_) return;
  if (event.data == "[DONE]") {
    done_ = true;
    return;
  }
  const bool has_halves = FindInvalidUtf8(event.data) != std::string_view::npos;
  const Result<Json> json = Json::Parse(has_halves ? HideInvalidBytes(event.data) : event.data);
  if (!json.ok() || !json->is_object()) {
    error_ =
        DataLossError(StrCat("the stream holds an event that is no JSON object, after ", answer_.feeds(), " pieces"),
                      "look into the server's log, and check llm.base_url");
    return;
  }
  TakeCompletion(*json);
}

void CompletionStream::TakeCompletion(const Json& completion) {
  if (const Json& error = completion["error"]; !error.is_null()) {
    failure_ = error;
    return;
  }
  if (completion["usage"].is_object()) TakeUsage(completion["usage"]);
  const Json& choice = completion["choices"][0];
  const Json& delta = choice.Has("delta") ? choice["delta"] : choice["message"];
  // DeepSeek and older vLLM say reasoning_content, newer vLLM and OpenRouter say reasoning.
  for (std::string_view field : {"reasoning_content", "reasoning"}) {
    if (!delta[field].is_string()) continue;
    wanted_ = answer_.FeedReasoning(ShowInvalidBytes(delta[field].AsString())) && wanted_;
    break;
  }
  if (delta["content"].is_string()) wanted_ = answer_.Feed(ShowInvalidBytes(delta["content"].AsString())) && wanted_;
  const Json& finish_reason = choice["finish_reason"];
  if (finish_reason.is_string()) {
    done_ = true;
    truncated_ = finish_reason.AsString() == "length";
  }
}

void CompletionStream::TakeUsage(const Json& usage) {
  if (usage["prompt_tokens"].is_number()) prompt_tokens_ = AsCount(usage["prompt_tokens"]);
  if (usage["completion_tokens"].is_number()) completion_tokens_ = AsCount(usage["completion_tokens"]);
  const Json& cached = usage["prompt_tokens_details"]["cached_tokens"];
  cached_tokens_ = AsCount(cached.is_number() ? cached : usage["prompt_cache_hit_tokens"]);
}

}  // namespace ragtime
