// SPDX-License-Identifier: Apache-2.0
//
// A Filter is a condition on fields, parsed and checked against their types; docs/reference/filters.md has the grammar.
//
//   year >= 2020 and author in ("Li", "Wang") and not draft
//
// Null equals nothing and is neither less nor greater than anything: every comparison with it is false, and `not` is
// plain negation, so that `year != 2020` holds where year is null.
//
// Threads: a Filter is immutable and cheap to copy.
#ifndef RAGTIME_FILTER_H_
#define RAGTIME_FILTER_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/status.h"

namespace ragtime {

// What `!=`, `not in`, `between` and a bare boolean field become when they are parsed: kNot and the others.
enum class FilterOp {
  kAnd,
  kOr,
  kNot,
  kEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,        // Equal to one of the values; of a list: any element is.
  kLike,      // values[0] is the pattern: % for any run of characters, _ for one character, \ takes the next as it is.
  kContains,  // A list has the element values[0]; a string has it as a substring.
  kIsNull,
};

struct FilterNode {
  FilterOp op = FilterOp::kAnd;
  std::vector<FilterNode> operands;     // kAnd and kOr: any number (none: true, false); kNot: one; else none.
  std::string field;                    // Of the operators below kNot.
  FieldType type = FieldType::kString;  // Of `field`.
  // Of `type`, or strings for a list. kIn: ascending, each once; kIsNull: none; else one.
  std::vector<FieldValue> values;
};

class Filter {
 public:
  Filter();  // Matches everything.

  // kInvalidArgument names the line's column, what stands there, and what could; an unknown field lists the known ones.
  // A blank text matches everything.
  static Result<Filter> Parse(std::string_view text, std::span<const FieldSpec> fields);

  // Of a tree such as Parse makes, which is not checked again.
  static Filter Of(FilterNode root);

  bool matches_all() const;
  const FilterNode& root() const { return *root_; }
  // The same for filters that differ in spelling only; parses to an equal filter.
  std::string ToString() const;
  // `value_of` answers for each field that the filter names; the value must live until it returns.
  bool Matches(const std::function<const FieldValue&(std::string_view field)>& value_of) const;

 private:
  explicit Filter(FilterNode root);
  std::shared_ptr<const FilterNode> root_;
};

// Whether one operator that is not kAnd, kOr or kNot holds for `value`.
bool MatchesLeaf(const FilterNode& leaf, const FieldValue& value);

}  // namespace ragtime

#endif  // RAGTIME_FILTER_H_
