// SPDX-License-Identifier: Apache-2.0
//
// SseParser cuts a stream of server-sent events (WHATWG HTML, section 9.2) into events, however the bytes are chunked.
//
// Threads: one at a time. Errors: kResourceExhausted where a line or an event is longer than its limit; the parser is
// of no use after it.
#ifndef RAGTIME_WIRE_SSE_PARSER_H_
#define RAGTIME_WIRE_SSE_PARSER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

struct SseEvent {
  std::string type;  // "message" where the stream names none.
  std::string data;  // Lines joined by "\n".
  std::string id;    // Of this or the last event that had one.
};

class SseParser {
 public:
  using OnEvent = std::function<void(const SseEvent& event)>;

  explicit SseParser(OnEvent on_event, size_t size_bytes_max = size_t{4} << 20);

  Status Feed(std::string_view bytes);
  // The stream has ended. An event that lacks only its closing empty line is taken, since servers do leave it out.
  void Finish();

 private:
  void TakeLine(std::string_view line);
  void Dispatch();

  const OnEvent on_event_;
  const size_t size_bytes_max_;
  std::string line_;       // Begun, not ended.
  bool after_cr_ = false;  // A "\n" that comes next belongs to the line end before.
  bool at_start_ = true;   // No line was taken yet: a byte order mark is skipped.
  bool has_data_ = false;
  SseEvent event_;
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_SSE_PARSER_H_
