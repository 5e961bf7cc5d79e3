// SPDX-License-Identifier: Apache-2.0
//
// TextReader reads plain text: the document's text is the file's, in UTF-8 and with line ends as "\n".
#ifndef RAGTIME_INGEST_READ_TEXT_READER_H_
#define RAGTIME_INGEST_READ_TEXT_READER_H_

#include <string_view>
#include <vector>

#include "ragtime/reader.h"

namespace ragtime {

class TextReader : public Reader {
 public:
  std::string_view type() const override { return "txt"; }
  std::vector<std::string_view> extensions() const override { return {"txt", "text"}; }
  Result<Document> Read(std::string_view bytes) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_TEXT_READER_H_
