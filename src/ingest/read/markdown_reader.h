// SPDX-License-Identifier: Apache-2.0
//
// MarkdownReader reads Markdown. The text keeps its marks, so that it equals the source; front matter (the lines
// between two --- at the top) is left out, and ATX and setext headings outside of fenced code become the document's
// headings.
#ifndef RAGTIME_INGEST_READ_MARKDOWN_READER_H_
#define RAGTIME_INGEST_READ_MARKDOWN_READER_H_

#include <string_view>
#include <vector>

#include "ragtime/reader.h"

namespace ragtime {

class MarkdownReader : public Reader {
 public:
  std::string_view type() const override { return "md"; }
  std::vector<std::string_view> extensions() const override { return {"md", "markdown"}; }
  Result<Document> Read(std::string_view bytes) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_MARKDOWN_READER_H_
