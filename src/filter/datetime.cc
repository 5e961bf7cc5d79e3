// SPDX-License-Identifier: Apache-2.0
#include "filter/datetime.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr size_t kYearDigitsMax = 9;  // int64 milliseconds reach 292 million years.

// Days since 1970-01-01 and back, in the proleptic Gregorian calendar; std::chrono::year ends at 32,767. Years start in
// March here, so that the leap day is the last of its year: Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms".
int64_t DaysOf(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

struct Date {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
};

Date DateOf(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

int64_t DaysOfMonth(int64_t year, int64_t month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Takes pieces off the front of a text; once a piece is missing, all that follow are.
class PieceReader {
 public:
  explicit PieceReader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  bool AtAny(std::string_view characters) const {
    return !rest_.empty() && characters.find(rest_[0]) != std::string_view::npos;
  }
  bool AtDigit() const { return AtAny("0123456789"); }
  char Take() {
    const char character = rest_[0];
    rest_.remove_prefix(1);
    return character;
  }
  void Expect(std::string_view any_of) {
    if (AtAny(any_of)) {
      Take();
    } else {
      failed_ = true;
    }
  }
  int64_t Number(size_t digits, int64_t max) {
    int64_t number = 0;
    for (; digits > 0; --digits) {
      if (!AtDigit()) {
        failed_ = true;
        return 0;
      }
      number = number * 10 + (Take() - '0');
    }
    if (number > max) failed_ = true;
    return number;
  }
  size_t CountDigits() const {
    const size_t end = rest_.find_first_not_of("0123456789");
    return end == std::string_view::npos ? rest_.size() : end;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

int64_t ReadYear(PieceReader& reader) {
  if (!reader.AtAny("+-")) return reader.Number(4, 9999);
  const bool negative = reader.Take() == '-';
  const size_t digits = reader.CountDigits();
  // More digits than the most are left over, and then fail.
  const int64_t year = reader.Number(std::min(std::max(digits, size_t{4}), kYearDigitsMax), INT64_MAX);
  return negative ? -year : year;
}

// Milliseconds since midnight, with the zone taken off.
int64_t ReadTime(PieceReader& reader) {
  int64_t ms = reader.Number(2, 23) * 3'600'000;
  reader.Expect(":");
  ms += reader.Number(2, 59) * 60'000;
  if (reader.AtAny(":")) {
    reader.Take();
    ms += reader.Number(2, 59) * 1000;
    if (reader.AtAny(".,")) {
      reader.Take();
      if (!reader.AtDigit()) reader.Number(1, 9);  // Fails.
      for (int64_t unit = 100; reader.AtDigit(); unit /= 10) ms += (reader.Take() - '0') * unit;
    }
  }
  // YAML and Jekyll write "03:04:05 +0800".
  const bool spaced = reader.AtAny(" ");
  if (spaced) reader.Take();
  if (reader.AtAny("Zz")) {
    reader.Take();
  } else if (reader.AtAny("+-")) {
    const int64_t sign = reader.Take() == '-' ? -1 : 1;
    int64_t offset = reader.Number(2, 23) * 3'600'000;
    if (reader.AtAny(":")) reader.Take();
    offset += reader.Number(2, 59) * 60'000;
    ms -= sign * offset;
  } else if (spaced) {
    reader.Expect("Z");
  }
  return ms;
}

}  // namespace

Result<Datetime> ParseDatetime(std::string_view text) {
  PieceReader reader(text);
  const int64_t year = ReadYear(reader);
  reader.Expect("-");
  const int64_t month = reader.Number(2, 12);
  reader.Expect("-");
  const int64_t day = reader.Number(2, 31);
  int64_t time = 0;
  if (!reader.at_end()) {
    reader.Expect("Tt ");
    time = ReadTime(reader);
  }
  Datetime moment;
  const bool exists = !reader.failed() && reader.at_end() && month > 0 && day > 0 && day <= DaysOfMonth(year, month);
  if (!exists || __builtin_mul_overflow(DaysOf(year, month, day), kDayMs, &moment.ms) ||
      __builtin_add_overflow(moment.ms, time, &moment.ms)) {
    return InvalidArgumentError(StrCat("the text is not a date or a time: \"", text.substr(0, 64), "\""),
                                "Write it as 2024-01-02 or 2024-01-02T03:04:05Z.");
  }
  return moment;
}

std::string FormatDatetime(Datetime moment) {
  int64_t time = moment.ms % kDayMs;
  int64_t days = moment.ms / kDayMs;
  if (time < 0) {
    time += kDayMs;
    --days;
  }
  const Date date = DateOf(days);
  std::array<char, 64> text{};
  const char* year_format = date.year >= 0 && date.year <= 9999 ? "%04lld" : "%+05lld";
  std::string result;
  std::snprintf(text.data(), text.size(), year_format, static_cast<long long>(date.year));
  result = text.data();
  std::snprintf(text.data(), text.size(), "-%02d-%02dT%02d:%02d:%02d", static_cast<int>(date.month),
                static_cast<int>(date.day), static_cast<int>(time / 3'600'000), static_cast<int>(time / 60'000 % 60),
                static_cast<int>(time / 1000 % 60));
  result += text.data();
  if (time % 1000 != 0) {
    std::snprintf(text.data(), text.size(), ".%03d", static_cast<int>(time % 1000));
    result += text.data();
  }
  return result + "Z";
}

}  // namespace ragtime
