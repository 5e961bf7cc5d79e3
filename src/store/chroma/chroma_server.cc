// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_server.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "store/batch_check.h"
#include "store/chroma/chroma_collection.h"
#include "text/utf8.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

constexpr char kMadeWith[] = "ragtime";  // The key of a collection's metadata that says what it was made with.
constexpr size_t kWordsMax = 300;
// A thousand rows with vectors of 4,096 numbers take 80 MiB.
constexpr size_t kAnswerBytesMax = size_t{256} << 20;

std::string Escaped(std::string_view part) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : part) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (plain) {
      text += c;
    } else {
      text += '%';
      text += kHex[static_cast<unsigned char>(c) >> 4];
      text += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return text;
}

std::string MadeWith(const CollectionSpec& spec) {
  Json json;
  json.Set("dimension", spec.dimension).Set("metric", MetricName(spec.metric));
  json.Set("columns", EncodeFieldSpecs(spec.columns));
  return json.Dump();
}

// Chroma's only index is a graph; FLAT stands for one that is searched so widely that it misses next to nothing.
Result<Json> HnswConfiguration(const CollectionSpec& spec) {
  const bool flat = spec.index_type == "FLAT";
  if (!flat && spec.index_type != "HNSW") {
    return InvalidArgumentError(StrCat("Chroma has no index of the type ", spec.index_type),
                                "write index_type: HNSW (or FLAT for a graph that is searched widely)");
  }
  Json hnsw;
  // Vectors of COSINE have length 1 here, so that the inner product is their cosine, and they come back bit for bit.
  hnsw.Set("space", spec.metric == Metric::kL2 ? "l2" : "ip");
  if (flat) hnsw.Set("max_neighbors", 32).Set("ef_construction", 200).Set("ef_search", 1000);
  std::map<std::string, std::string> parameters = spec.index_params;
  parameters.insert(spec.search_params.begin(), spec.search_params.end());
  for (const auto& [name, value] : parameters) {
    const std::string own = name == "M"                ? "max_neighbors"
                            : name == "efConstruction" ? "ef_construction"
                            : name == "ef"             ? "ef_search"
                                                       : name;
    const bool known = own == "max_neighbors" || own == "ef_construction" || own == "ef_search" ||
                       own == "sync_threshold" || own == "resize_factor";
    const Result<Json> number = Json::Parse(value);
    if (!known || !number.ok() || !number->is_number()) {
      return InvalidArgumentError(StrCat("Chroma takes no index parameter ", name, ": ", value),
                                  "use M, efConstruction, ef, sync_threshold and resize_factor with numbers");
    }
    hnsw.Set(own, *number);
  }
  return hnsw;
}

}  // namespace

Result<std::shared_ptr<ChromaServer>> ChromaServer::Connect(const Context& context, ChromaOptions options) {
  std::shared_ptr<ChromaServer> server(new ChromaServer(std::move(options)));
  std::string url = server->options_.uri;
  server->name_ = StrCat("chroma ", UrlForMessages(url));
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    if (url.empty()) {
      return InvalidArgumentError("no Chroma server is named", "set store_conf.kwargs.uri to an address or a folder");
    }
    RAGTIME_ASSIGN_OR_RETURN(server->process_, ChromaProcess::Start(context, url, server->options_.command));
    url = server->process_->url();
  }
  while (url.ends_with('/')) url.pop_back();
  server->url_ = url + "/api/v2";
  RAGTIME_ASSIGN_OR_RETURN(
      const Json limits, server->CallUrl(context, "pre-flight-checks", "GET", server->url_ + "/pre-flight-checks", ""));
  if (!limits["max_batch_size"].is_number()) {
    return FailedPreconditionError(StrCat("what answers at ", UrlForMessages(url), " is no Chroma server of API v2"),
                                   "use Chroma 1.0 or newer, or correct store_conf.kwargs.uri");
  }
  server->batch_rows_max_ = static_cast<size_t>(std::clamp<int64_t>(limits["max_batch_size"].AsInt(), 1, 5000));
  if (server->options_.make_database) RAGTIME_RETURN_IF_ERROR(server->OpenDatabase(context));
  return server;
}

Status ChromaServer::OpenDatabase(const Context& context) {
  const std::string tenants = url_ + "/tenants";
  const std::string tenant = StrCat(tenants, "/", Escaped(options_.tenant));
  Status found = CallUrl(context, "opening the tenant", "GET", tenant, "").status();
  if (found.code() == StatusCode::kNotFound) {
    found = CallUrl(context, "making the tenant", "POST", tenants, Json(Json::Object{{"name", options_.tenant}}).Dump())
                .status();
  }
  if (!found.ok() && found.code() != StatusCode::kAlreadyExists) return found;
  const std::string databases = tenant + "/databases";
  found =
      CallUrl(context, "opening the database", "GET", StrCat(databases, "/", Escaped(options_.database)), "").status();
  if (found.code() == StatusCode::kNotFound) {
    found = CallUrl(context, "making the database", "POST", databases,
                    Json(Json::Object{{"name", options_.database}}).Dump())
                .status();
  }
  return found.code() == StatusCode::kAlreadyExists ? Status() : found;
}

Result<Json> ChromaServer::Call(const Context& context, std::string_view what, std::string_view method,
                                std::string_view path, const Json& body) const {
  return CallUrl(context, what, method,
                 StrCat(url_, "/tenants/", Escaped(options_.tenant), "/databases/", Escaped(options_.database), path),
                 body.is_null() ? "" : body.Dump());
}

Result<Json> ChromaServer::CallUrl(const Context& context, std::string_view what, std::string_view method,
                                   std::string url, std::string body) const {
  HttpRequest request{.method = std::string(method), .url = std::move(url), .body = std::move(body)};
  request.body_size_bytes_max = kAnswerBytesMax;
  request.headers = {{"Content-Type", "application/json"}};
  if (!options_.token.empty()) {
    request.headers.emplace_back("x-chroma-token", options_.token);
    request.headers.emplace_back("Authorization", "Bearer " + options_.token);
  }
  const auto answer = CallHttp(client_, context, options_.policy, std::move(request), [](const HttpResponse& refused) {
    const Result<Json> json = Json::Parse(refused.body);
    std::string words = json.ok() ? (*json)["message"].AsString() : "";
    words = ReplaceInvalidUtf8(words.substr(0, kWordsMax));
    return Status(StatusCodeOfHttp(refused.code), StrCat("HTTP ", refused.code, words.empty() ? "" : ", ", words));
  });
  const auto named = [&](const Status& status) {
    return status.Annotate(StrCat(name_, ": ", what)).WithRemedy("look into the server's log, or check its address");
  };
  if (!answer.ok()) return named(answer.status());
  Result<Json> json = answer->body.empty() ? Json() : Json::Parse(answer->body, kAnswerBytesMax);
  if (!json.ok()) {
    return named(UnavailableError("the answer is no JSON", "check that a Chroma server is at that address"));
  }
  return json;
}

Result<std::string> ChromaServer::Version(const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const Json version, CallUrl(context, "version", "GET", url_ + "/version", ""));
  return version.AsString();
}

Result<bool> ChromaServer::Exists(const Context& context, std::string_view collection) {
  const auto found = Call(context, StrCat("looking for ", collection), "GET", StrCat("/collections/", collection));
  if (found.ok()) return true;
  if (found.status().code() == StatusCode::kNotFound) return false;
  return found.status();
}

Result<std::shared_ptr<Collection>> ChromaServer::OpenOrMake(const Context& context, const CollectionSpec& spec) {
  const std::string path = StrCat("/collections/", spec.name);
  const std::string what = StrCat("opening ", spec.name);
  RAGTIME_ASSIGN_OR_RETURN(const Json hnsw, HnswConfiguration(spec));
  Result<Json> found = Call(context, what, "GET", path);
  if (found.status().code() == StatusCode::kNotFound) {
    Json body;
    body.Set("name", spec.name).Set("get_or_create", false);
    body.Set("metadata", Json::Object{{kMadeWith, MadeWith(spec)}});
    body.Set("configuration", Json::Object{{"hnsw", hnsw}});
    found = Call(context, StrCat("making ", spec.name), "POST", "/collections", body);
    // Made by another process, or by an attempt whose answer was lost.
    if (found.status().code() == StatusCode::kAlreadyExists) found = Call(context, what, "GET", path);
  }
  if (!found.ok()) return found.status();
  const std::string made_with = (*found)["metadata"][kMadeWith].AsString();
  if (made_with != MadeWith(spec)) {
    return FailedPreconditionError(
        StrCat("the collection ", spec.name, " on ", name_, " was made ",
               made_with.empty() ? "by another program" : StrCat("with ", made_with, ", not ", MadeWith(spec))),
        "use another name for the knowledge base, or drop the collection");
  }
  const std::string id = (*found)["id"].AsString();
  if (id.empty()) return UnavailableError(StrCat(name_, ": ", what, ": the answer has no id"));
  return std::shared_ptr<Collection>(std::make_shared<ChromaCollection>(shared_from_this(), spec, id));
}

Status ChromaServer::Drop(const Context& context, std::string_view collection) {
  const Status status =
      Call(context, StrCat("dropping ", collection), "DELETE", StrCat("/collections/", collection)).status();
  return status.code() == StatusCode::kNotFound ? Status() : status;
}

}  // namespace ragtime
