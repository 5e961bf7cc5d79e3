// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/text_reader.h"

#include <utility>

#include "ingest/read/encoding.h"
#include "ingest/read/run_builder.h"

namespace ragtime {

Result<Document> TextReader::Read(std::string_view bytes) const {
  RAGTIME_ASSIGN_OR_RETURN(DecodedText decoded, DecodeText(bytes));
  Document document = PlainDocument(std::move(decoded));
  RAGTIME_RETURN_IF_ERROR(CheckRuns(document));
  return document;
}

}  // namespace ragtime
