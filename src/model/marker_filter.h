// SPDX-License-Identifier: Apache-2.0
//
// MarkerFilter follows a text as it is written and says which next piece would give it a bracketed number other than
// the markers [1] ... [n] of the passages. Brackets around anything but a number are left alone.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_MARKER_FILTER_H_
#define RAGTIME_MODEL_MARKER_FILTER_H_

#include <cstddef>
#include <string_view>

namespace ragtime {

class MarkerFilter {
 public:
  // 0: every piece is allowed.
  explicit MarkerFilter(size_t passage_count) : passage_count_(passage_count) {}

  // Whether the text may go on with `piece`: several characters, or a part of one.
  bool Allows(std::string_view piece) const;
  // The text goes on with `piece`, which must be allowed.
  void Take(std::string_view piece);
  // Whether the text may end here: not between "[1" and "]".
  bool MayEnd() const { return place_ != Place::kNumber; }

 private:
  enum class Place {
    kText,
    kOpen,    // After "[".
    kGap,     // After "[" and white space or signs: "[ 7 ]" and "[-7]" read like a marker and are none.
    kNumber,  // After "[" and digits whose value is number_.
  };

  bool Step(char c);

  size_t passage_count_;
  Place place_ = Place::kText;
  size_t number_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_MARKER_FILTER_H_
