// SPDX-License-Identifier: Apache-2.0
#include "query/answer/checked_stream.h"

namespace ragtime {

bool CheckedStream::OnToken(Channel channel, std::string_view text) {
  if (channel == Channel::kReasoning) {
    reasoning_ += text;
    Send(channel, text);
  } else {
    received_answer_ = true;
    Append(verbatim_ ? std::string(text) : check_.Feed(text), /*whole=*/false);
  }
  return !stopped_ && rests_ != Rests::kNo;
}

void CheckedStream::Finish() { Append(check_.Finish(), /*whole=*/true); }

void CheckedStream::Append(const std::string& text, bool whole) {
  text_ += text;
  if (rests_ == Rests::kOpen) {
    // A few sentences at most are looked at anew with each piece; white space and signs are what ends them.
    const bool may_decide = text.find_first_of(" \n]\xE3\xEF") != std::string::npos;
    if (whole || may_decide) rests_ = RestsOnPassages(text_, whole);
  }
  if (rests_ != Rests::kYes || sent_ == text_.size()) return;
  const size_t start = sent_;
  sent_ = text_.size();
  Send(Channel::kAnswer, std::string_view(text_).substr(start));
}

void CheckedStream::Send(Channel channel, std::string_view text) {
  if (stopped_ || !on_token_ || text.empty()) return;
  stopped_ = !on_token_(channel, text);
}

}  // namespace ragtime
