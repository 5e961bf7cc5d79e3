// SPDX-License-Identifier: Apache-2.0
//
// ChromaServer speaks to a Chroma server over its REST v2 API, and starts one for a local folder.
//
// Threads: as CollectionServer. Errors: name the server, the operation and the collection; the token stands in none.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_SERVER_H_
#define RAGTIME_STORE_CHROMA_CHROMA_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "store/chroma/chroma_process.h"
#include "store/collection.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/remote_call.h"

namespace ragtime {

struct ChromaOptions {
  std::string uri;  // http(s)://host:port, or a folder: then `command` is run on it.
  std::string tenant = "default_tenant";
  std::string database = "default_database";
  bool make_database = true;  // And the tenant, where there is none.
  std::string token;          // Sent as x-chroma-token and as bearer; "": none.
  std::string command = "chroma";
  CallPolicy policy;
};

class ChromaServer final : public CollectionServer, public std::enable_shared_from_this<ChromaServer> {
 public:
  static Result<std::shared_ptr<ChromaServer>> Connect(const Context& context, ChromaOptions options);

  std::string_view name() const override { return name_; }
  Result<std::string> Version(const Context& context) override;
  Result<bool> Exists(const Context& context, std::string_view collection) override;
  Result<std::shared_ptr<Collection>> OpenOrMake(const Context& context, const CollectionSpec& spec) override;
  Status Drop(const Context& context, std::string_view collection) override;

  // A request below the database, "/collections/..."; `what` is for messages: "query of kb_nodes".
  Result<Json> Call(const Context& context, std::string_view what, std::string_view method, std::string_view path,
                    const Json& body = {}) const;
  size_t batch_rows_max() const { return batch_rows_max_; }

 private:
  explicit ChromaServer(ChromaOptions options) : options_(std::move(options)) {}
  Result<Json> CallUrl(const Context& context, std::string_view what, std::string_view method, std::string url,
                       std::string body) const;
  Status OpenDatabase(const Context& context);

  const ChromaOptions options_;
  std::unique_ptr<ChromaProcess> process_;
  std::string name_;
  std::string url_;  // ".../api/v2"
  size_t batch_rows_max_ = 1000;
  mutable HttpClient client_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_SERVER_H_
