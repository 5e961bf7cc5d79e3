// SPDX-License-Identifier: Apache-2.0
//
// DecodeText turns the bytes of a text file in any encoding into UTF-8 and remembers where every character came from.
//
// Takes any bytes. Errors: kInvalidArgument where they look like no text at all.
#ifndef RAGTIME_INGEST_READ_ENCODING_H_
#define RAGTIME_INGEST_READ_ENCODING_H_

#include <string>
#include <string_view>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/status.h"

namespace ragtime {

struct DecodedText {
  std::string text;           // Valid UTF-8, without byte order mark and NUL.
  std::vector<TextRun> runs;  // From text to bytes.
  std::string encoding;       // "UTF-8", "UTF-16LE", "GB18030", "windows-1252", ...
  std::vector<std::string> warnings;
};

// A byte order mark wins, then `declared` (a name such as "gb2312" from the document itself; "": none) where the bytes
// agree with it, then UTF-8 if valid, then GB18030 if it gives common Chinese characters, then what fits best, with a
// warning.
Result<DecodedText> DecodeText(std::string_view bytes, std::string_view declared = {});

// Takes the CR out of each CRLF.
Document PlainDocument(DecodedText decoded);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_ENCODING_H_
