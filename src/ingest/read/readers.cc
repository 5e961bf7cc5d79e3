// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/readers.h"

#include "ingest/read/html_reader.h"
#include "ingest/read/markdown_reader.h"
#include "ingest/read/text_reader.h"

namespace ragtime {

std::vector<std::unique_ptr<Reader>> BuiltinReaders() {
  std::vector<std::unique_ptr<Reader>> readers;
  readers.push_back(std::make_unique<TextReader>());
  readers.push_back(std::make_unique<MarkdownReader>());
  readers.push_back(std::make_unique<HtmlReader>());
  return readers;
}

}  // namespace ragtime
