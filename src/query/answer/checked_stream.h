// SPDX-License-Identifier: Apache-2.0
//
// CheckedStream stands between a generator and whoever reads along: it checks markers, keeps reasoning apart, and can
// hold the answer back until it is certain that something in it is cited.
//
// Threads: one thread at a time.
#ifndef RAGTIME_QUERY_ANSWER_CHECKED_STREAM_H_
#define RAGTIME_QUERY_ANSWER_CHECKED_STREAM_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "query/answer/citations.h"
#include "query/answer/marker_check.h"
#include "ragtime/generator.h"

namespace ragtime {

class CheckedStream {
 public:
  // `on_token` may be empty. `hold_until_cited`: the answer is passed on once RestsOnPassages says kYes, and the
  // generator is stopped once it says kNo; reasoning is passed on at once in any case.
  // `verbatim`: brackets in the text are no markers, and nothing of it is changed. `holds_markers`: as GeneratorInfo
  // has it; a marker is then passed on as it is written.
  CheckedStream(size_t passages, const Generator::OnToken& on_token, bool hold_until_cited, bool verbatim = false,
                bool holds_markers = false)
      : on_token_(on_token),
        check_(passages, holds_markers),
        verbatim_(verbatim),
        rests_(hold_until_cited ? Rests::kOpen : Rests::kYes) {}

  // What a generator calls. False: the reader wants no more, or the answer will not be kept.
  bool OnToken(Channel channel, std::string_view text);
  // The answer has ended; everything that was held back is decided, and passed on if the answer is to be kept.
  void Finish();
  // Whether it is kept: without hold_until_cited always, else if it rests on the passages. Final after Finish.
  bool kept() const { return rests_ == Rests::kYes; }

  const std::string& text() const { return text_; }  // Checked; what a reader sees in all.
  const std::string& reasoning() const { return reasoning_; }
  bool received_answer() const { return received_answer_; }  // Also where it was only white space.
  bool stopped() const { return stopped_; }                  // By the reader.

 private:
  void Append(const std::string& text, bool whole);
  void Send(Channel channel, std::string_view text);

  const Generator::OnToken& on_token_;
  MarkerCheck check_;
  const bool verbatim_;
  std::string text_;
  std::string reasoning_;
  size_t sent_ = 0;  // Of text_.
  Rests rests_;
  bool stopped_ = false;
  bool received_answer_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_CHECKED_STREAM_H_
