// SPDX-License-Identifier: Apache-2.0
//
// HtmlReader takes the readable text out of a page: no scripts, no navigation, paragraphs separated by empty lines,
// list items and table rows as lines, headings and the page's title as headings. docs/internals/ingest.md lists the
// rules.
//
// Takes any bytes in linear time and without recursion. A page needs about 5 times its size in memory.
#ifndef RAGTIME_INGEST_READ_HTML_READER_H_
#define RAGTIME_INGEST_READ_HTML_READER_H_

#include <string_view>
#include <vector>

#include "ragtime/reader.h"

namespace ragtime {

class HtmlReader : public Reader {
 public:
  std::string_view type() const override { return "html"; }
  std::vector<std::string_view> extensions() const override { return {"html", "htm", "xhtml"}; }
  Result<Document> Read(std::string_view bytes) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_HTML_READER_H_
