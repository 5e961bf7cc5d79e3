// SPDX-License-Identifier: Apache-2.0
//
// ChromaSource reads a collection of a Chroma server over its REST v2 API, whoever made it.
#ifndef RAGTIME_INGEST_IMPORT_CHROMA_SOURCE_H_
#define RAGTIME_INGEST_IMPORT_CHROMA_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ingest/import/import_source.h"
#include "wire/http_client.h"

namespace ragtime {

class ChromaSource : public ImportSource {
 public:
  // http://host:port/COLLECTION[?tenant=T&database=D]. `token`, if there is one, goes into X-Chroma-Token.
  static Result<std::unique_ptr<ChromaSource>> Open(const Context& context, std::string_view uri, std::string token);
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override;

 private:
  ChromaSource() = default;
  // The answer to a request, tried again where that may help.
  Result<Json> Send(const Context& context, std::string_view operation, const std::string& method,
                    const std::string& path, const std::string& body);

  HttpClient client_;
  std::string server_;  // http://host:port
  std::string token_;
  std::string collection_;  // Its name, for messages.
  std::string place_;       // Below the server: /api/v2/.../collections/ID
  uint64_t count_ = 0;      // Rows when it was opened.
  uint64_t read_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_CHROMA_SOURCE_H_
