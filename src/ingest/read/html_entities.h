// SPDX-License-Identifier: Apache-2.0
//
// DecodeEntity decodes one character reference of HTML: &amp; &#20013; &#x4e2d;
//
// Threads: may be called concurrently.
#ifndef RAGTIME_INGEST_READ_HTML_ENTITIES_H_
#define RAGTIME_INGEST_READ_HTML_ENTITIES_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime {

struct Entity {
  size_t size_bytes = 0;  // Of the reference in the source, with & and ; (0: there is none).
  std::string text;       // UTF-8.
};

// `position` is at an &. Follows the HTML standard (section 13.2.5.72): the longest name wins, and some need no ;
Entity DecodeEntity(std::string_view text, size_t position);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_HTML_ENTITIES_H_
