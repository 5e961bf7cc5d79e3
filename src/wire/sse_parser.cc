// SPDX-License-Identifier: Apache-2.0
#include "wire/sse_parser.h"

#include <utility>

#include "base/str_cat.h"

namespace ragtime {

SseParser::SseParser(OnEvent on_event, size_t size_bytes_max)
    : on_event_(std::move(on_event)), size_bytes_max_(size_bytes_max) {}

Status SseParser::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() + event_.data.size() > size_bytes_max_) {
      return ResourceExhaustedError(StrCat("an event of the stream is longer than ", size_bytes_max_, " bytes"));
    }
    if (end == std::string_view::npos) {
      line_ += part;
      return Status();
    }
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      TakeLine(part);
    } else {
      line_ += part;
      TakeLine(line_);
      line_.clear();
    }
  }
  return Status();
}

void SseParser::Finish() {
  if (!line_.empty()) TakeLine(line_);
  line_.clear();
  Dispatch();
}

void SseParser::TakeLine(std::string_view line) {
  if (std::exchange(at_start_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) return Dispatch();
  if (line.front() == ':') return;
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = value;
  }
}

void SseParser::Dispatch() {
  if (has_data_) {
    if (event_.type.empty()) event_.type = "message";
    on_event_(event_);
  }
  has_data_ = false;
  event_.data.clear();
  event_.type.clear();
}

}  // namespace ragtime
