// SPDX-License-Identifier: Apache-2.0
#include "query/answer/marker_check.h"

#include <algorithm>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// More between brackets is no marker. Also the bound of what is held back.
constexpr size_t kMarkerBodyBytesMax = 32;
constexpr size_t kMarkerDigitsMax = 6;
constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kSpacesAndBracket = " \t\r\n[";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kBody = "0123456789, ";

}  // namespace

std::string MarkerCheck::Feed(std::string_view text) {
  held_ += text;
  return Decide(/*at_end=*/false);
}

std::string MarkerCheck::Finish() { return Decide(/*at_end=*/true); }

std::string MarkerCheck::ValidMarkers(std::string_view body) {
  std::string out;
  for (size_t start = body.find_first_of(kDigits); start != std::string_view::npos;) {
    const size_t end = std::min(body.find_first_not_of(kDigits, start), body.size());
    size_t number = 0;
    if (end - start <= kMarkerDigitsMax) {
      for (const char digit : body.substr(start, end - start)) number = number * 10 + static_cast<size_t>(digit - '0');
    }
    const bool valid = number >= 1 && number <= passage_count_;
    ++(valid ? valid_ : removed_);
    if (valid) out += StrCat("[", number, "]");
    start = body.find_first_of(kDigits, end);
  }
  return out;
}

void MarkerCheck::Emit(std::string_view text, std::string& out) {
  for (const char c : text) open_ = c == '[' || (open_ && kBody.find(c) != std::string_view::npos);
  out += text;
}

std::string MarkerCheck::Decide(bool at_end) {
  std::string out;
  size_t done = 0;  // Of held_.
  auto emit = [&](std::string_view spaces, std::string_view text) {
    if (started_) Emit(spaces, out);
    started_ = true;
    Emit(text, out);
  };
  while (done < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(done);
    const size_t bracket = rest.find_first_not_of(kSpaces);
    if (bracket == std::string_view::npos) break;
    const std::string_view spaces = rest.substr(0, bracket);
    if (trusted_ || rest[bracket] != '[') {
      // Up to the next white space or bracket nothing is in question.
      const size_t end = std::min(rest.find_first_of(trusted_ ? kSpaces : kSpacesAndBracket, bracket), rest.size());
      emit(spaces, rest.substr(bracket, end - bracket));
      done += end;
      continue;
    }
    const size_t body = bracket + 1;
    const size_t close = std::min(rest.find_first_not_of(kBody, body), rest.size());
    const bool short_enough = close - body <= kMarkerBodyBytesMax;
    if (close == rest.size() && short_enough && !at_end) break;
    const std::string_view inside = rest.substr(body, close - body);
    if (close == rest.size() || rest[close] != ']' || !short_enough ||
        inside.find_first_of(kDigits) == std::string_view::npos) {
      emit(spaces, "[");
      done += bracket + 1;
      continue;
    }
    // A marker that goes takes the blanks before it along, but not the end of a line.
    const std::string markers = ValidMarkers(inside);
    const size_t line_end = spaces.find_last_of("\r\n");
    if (!markers.empty()) {
      emit(spaces, markers);
    } else if (open_) {
      // Dropped, "[[9]7]" would become "[7]".
      emit(spaces, StrCat("(", inside, ")"));
    } else if (line_end != std::string_view::npos) {
      held_.replace(done, close + 1, std::string(spaces.substr(0, line_end + 1)));
      continue;
    }
    done += close + 1;
  }
  held_.erase(0, done);
  if (at_end) held_.clear();
  return out;
}

}  // namespace ragtime
