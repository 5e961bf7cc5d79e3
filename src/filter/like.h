// SPDX-License-Identifier: Apache-2.0
//
// A LikePattern is the pattern of `like`: % is any run of characters, _ is one character, \ takes the next as it is.
// A \ at the end is itself. Upper and lower case differ.
//
// Threads: immutable. It copies the pattern.
#ifndef RAGTIME_FILTER_LIKE_H_
#define RAGTIME_FILTER_LIKE_H_

#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

class LikePattern {
 public:
  explicit LikePattern(std::string_view pattern);

  bool Matches(std::string_view text) const;
  // What every match starts with.
  const std::string& prefix() const { return prefix_; }
  // The matches are all texts that start with prefix().
  bool is_prefix() const { return is_prefix_; }
  // The only match is prefix().
  bool is_literal() const { return is_literal_; }

 private:
  struct Step {
    enum Kind { kByte, kCharacter, kAnyRun } kind;
    char byte = 0;
  };
  std::vector<Step> steps_;
  std::string prefix_;
  bool is_prefix_ = false;
  bool is_literal_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_FILTER_LIKE_H_
