// SPDX-License-Identifier: Apache-2.0
//
// Titles of headings: one line of plain words, short enough to be kept with every node below.
#ifndef RAGTIME_INGEST_READ_HEADING_TITLE_H_
#define RAGTIME_INGEST_READ_HEADING_TITLE_H_

#include <string>
#include <string_view>

namespace ragtime {

// White space collapsed, at most 256 bytes. `text` must be valid UTF-8.
std::string HeadingTitle(std::string_view text);
// The same without Markdown's marks: [words](address) becomes words; `, ** and {#id} go.
std::string MarkdownTitle(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_HEADING_TITLE_H_
