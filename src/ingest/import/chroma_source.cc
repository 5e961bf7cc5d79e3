// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/chroma_source.h"

#include "base/str_cat.h"
#include "ingest/import/collection_address.h"
#include "ingest/import/llamaindex_node.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

constexpr size_t kBodyBytesMax = size_t{512} << 20;
constexpr int64_t kSilenceMs = 60000;

constexpr char kWhat[] = "the address of the Chroma collection";
constexpr char kForm[] = "chroma:http://host:8000/COLLECTION, with ?tenant=T&database=D where it has them";

}  // namespace

Result<std::unique_ptr<ChromaSource>> ChromaSource::Open(const Context& context, std::string_view uri,
                                                         std::string token) {
  std::unique_ptr<ChromaSource> source(new ChromaSource());
  source->token_ = std::move(token);
  if (uri.find("://") == std::string_view::npos) {
    return InvalidArgumentError(StrCat(kWhat, " has no http:// or https://"), StrCat("write ", kForm));
  }
  RAGTIME_ASSIGN_OR_RETURN(
      CollectionAddress address,
      ParseCollectionAddress(uri, {{"tenant", "default_tenant"}, {"database", "default_database"}}, kWhat, kForm));
  source->server_ = address.server;
  source->collection_ = address.collection;
  const std::string collections = StrCat("/api/v2/tenants/", address.parameters["tenant"], "/databases/",
                                         address.parameters["database"], "/collections/");
  RAGTIME_ASSIGN_OR_RETURN(const Json found,
                           source->Send(context, "asking for the id", "GET", collections + source->collection_, ""));
  source->place_ = collections + found["id"].AsString();
  RAGTIME_ASSIGN_OR_RETURN(const Json count,
                           source->Send(context, "counting the rows", "GET", source->place_ + "/count", ""));
  source->count_ = static_cast<uint64_t>(count.AsInt());
  return source;
}

Result<Json> ChromaSource::Send(const Context& context, std::string_view operation, const std::string& method,
                                const std::string& path, const std::string& body) {
  HttpRequest request;
  request.method = method;
  request.url = server_ + path;
  request.headers = {{"Content-Type", "application/json"}};
  if (!token_.empty()) request.headers.emplace_back("X-Chroma-Token", token_);
  request.body = body;
  request.idle_timeout_ms = kSilenceMs;
  request.body_size_bytes_max = kBodyBytesMax;
  const std::string what =
      StrCat("chroma ", UrlForMessages(server_), ": ", operation, " of the collection ", collection_);
  Retry retry(context, {});
  for (;;) {
    const Result<HttpResponse> response = client_.Send(context, request);
    Status status = response.status();
    if (response.ok() && response->code < 400) {
      Result<Json> json = Json::Parse(response->body, kBodyBytesMax);
      if (!json.ok()) return UnavailableError(StrCat(what, ": the answer is no JSON"), "check the address");
      return json;
    }
    if (response.ok()) {
      const std::string answer = StrCat(what, ": the server answered ", response->code);
      if (response->code == 404) return NotFoundError(answer, "check the collection, its tenant and its database");
      if (response->code == 401 || response->code == 403) {
        return PermissionDeniedError(answer, "set CHROMA_TOKEN in the environment");
      }
      if (response->code < 500 && response->code != 429) return InternalError(answer, "use a Chroma server of 1.x");
      status = UnavailableError(answer, "see the server's log");
    } else {
      status = status.Annotate(what).WithRemedy("check that the server is up, and the address");
    }
    RAGTIME_RETURN_IF_ERROR(retry.Wait(status));
  }
}

Result<std::vector<ImportedNode>> ChromaSource::Next(const Context& context, size_t limit) {
  std::vector<ImportedNode> batch;
  if (read_ >= count_) return batch;
  Json include(Json::Array{});
  include.Append("documents").Append("embeddings").Append("metadatas");
  Json request(Json::Object{});
  request.Set("limit", uint64_t{limit}).Set("offset", read_).Set("include", std::move(include));
  RAGTIME_ASSIGN_OR_RETURN(const Json rows, Send(context, "reading the rows", "POST", place_ + "/get", request.Dump()));
  const Json::Array& ids = rows["ids"].AsArray();
  if (ids.empty()) {
    return DataLossError(StrCat("chroma ", UrlForMessages(server_), ": the collection ", collection_, " had ", count_,
                                " rows at the beginning, and gives ", read_),
                         "import it while nobody writes to it");
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    ImportedNode node;
    node.id = ids[i].AsString();
    node.text = rows["documents"][i].AsString();
    node.metadata = rows["metadatas"][i];
    for (const Json& number : rows["embeddings"][i].AsArray()) {
      node.vector.push_back(static_cast<float>(number.AsDouble()));
    }
    TakeLlamaIndexNode(node);
    batch.push_back(std::move(node));
  }
  read_ += ids.size();
  return batch;
}

}  // namespace ragtime
