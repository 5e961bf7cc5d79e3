// SPDX-License-Identifier: Apache-2.0
//
// A Reader turns the bytes of one file format into a Document: text without markup, and for every byte of it where it
// came from.
//
// Threads: Read may be called concurrently. Errors: kInvalidArgument where the bytes are not of the format; the caller
// names the file.
#ifndef RAGTIME_READER_H_
#define RAGTIME_READER_H_

#include <string_view>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/status.h"

namespace ragtime {

class Reader {
 public:
  virtual ~Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The file_type it gives, e.g. "html".
  virtual std::string_view type() const = 0;
  // The endings it takes, lower case, without the dot: "html", "htm".
  virtual std::vector<std::string_view> extensions() const = 0;
  virtual Result<Document> Read(std::string_view bytes) const = 0;

 protected:
  Reader() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_READER_H_
