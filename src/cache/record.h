// SPDX-License-Identifier: Apache-2.0
//
// RecordWriter and RecordReader put numbers and texts behind each other as bytes, and read them back from bytes that
// may be anything: a cache on a server is shared with whoever else writes there.
//
// Threads: a writer or reader belongs to one thread. Errors: a reader past the end, or with a length that does not fit,
// is not ok() from then on and gives zeros.
#ifndef RAGTIME_CACHE_RECORD_H_
#define RAGTIME_CACHE_RECORD_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace ragtime {

class RecordWriter {
 public:
  RecordWriter& Number(uint64_t number) {
    char bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    out_.append(bytes, sizeof(bytes));
    return *this;
  }
  RecordWriter& Real(double number) { return Number(std::bit_cast<uint64_t>(number)); }
  RecordWriter& Text(std::string_view text) {
    Number(text.size());
    out_ += text;
    return *this;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number() {
    uint64_t number = 0;
    if (rest_.size() < sizeof(number)) return Fail();
    std::memcpy(&number, rest_.data(), sizeof(number));
    rest_.remove_prefix(sizeof(number));
    return number;
  }
  double Real() { return std::bit_cast<double>(Number()); }
  std::string_view Text() {
    const uint64_t size = Number();
    if (size > rest_.size()) Fail();
    if (!ok_) return {};
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  // A number of items that follow, each of which takes at least a number.
  size_t Count() {
    const uint64_t count = Number();
    if (count > rest_.size() / sizeof(uint64_t)) Fail();
    return ok_ ? count : 0;
  }
  bool ok() const { return ok_; }
  // All of it was read, and all of it made sense.
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  uint64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_RECORD_H_
