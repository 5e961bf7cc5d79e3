// SPDX-License-Identifier: Apache-2.0
//
// MarkerCheck lets an answer pass as it streams, and removes every [n] that names no passage.
//
// What may still become a marker is held back: white space, and a bracket until it is decided. However the text is cut
// into pieces, what comes out in all is the same. "[1, 2]" comes out as "[1][2]"; white space at both ends is dropped.
// Where the writer is held to the markers itself, no bracket is in question, and only white space is held back.
//
// Threads: one thread at a time.
#ifndef RAGTIME_QUERY_ANSWER_MARKER_CHECK_H_
#define RAGTIME_QUERY_ANSWER_MARKER_CHECK_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime {

class MarkerCheck {
 public:
  // Valid markers are [1] ... [passage_count]. `trusted`: the text has no others.
  explicit MarkerCheck(size_t passage_count, bool trusted = false) : passage_count_(passage_count), trusted_(trusted) {}

  // Returns what is decided by now; may be empty.
  std::string Feed(std::string_view text);
  // The text has ended: a bracket that was never closed is text.
  std::string Finish();

  size_t valid_markers() const { return valid_; }
  size_t removed_markers() const { return removed_; }

 private:
  std::string Decide(bool at_end);
  void Emit(std::string_view text, std::string& out);
  std::string ValidMarkers(std::string_view body);

  const size_t passage_count_;
  const bool trusted_;
  std::string held_;      // Not decided yet.
  bool started_ = false;  // Something other than white space has come out.
  bool open_ = false;     // What came out ends in "[" and digits: with a later "]" it would read as a marker.
  size_t valid_ = 0;
  size_t removed_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_MARKER_CHECK_H_
