// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_server.h"

#include <milvus_proto/milvus.pb.h>

#include <map>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "store/milvus/lite_process.h"
#include "store/milvus/milvus_channel.h"
#include "store/milvus/milvus_collection.h"
#include "store/milvus/milvus_requests.h"
#include "store/milvus/milvus_rows.h"

namespace ragtime {
namespace {

namespace common = milvus::proto::common;
namespace proto = milvus::proto::milvus;

std::string What(std::string_view collection) { return StrCat("the collection ", collection); }

Status Differs(const CollectionSpec& spec, std::string_view why) {
  return FailedPreconditionError(StrCat("the collection ", spec.name, " was made otherwise: ", why),
                                 "use another name, or move the knowledge base with ragtime copy");
}

}  // namespace

bool IsMilvusPath(std::string_view uri) {
  if (uri.find("://") != std::string_view::npos) return false;
  const size_t colon = uri.rfind(':');
  return uri.find('/') != std::string_view::npos || colon == std::string_view::npos || colon + 1 == uri.size() ||
         uri.find_first_not_of("0123456789", colon + 1) != std::string_view::npos;
}

MilvusServer::MilvusServer(std::unique_ptr<LiteProcess> lite, std::shared_ptr<const MilvusChannel> channel)
    : lite_(std::move(lite)), channel_(std::move(channel)) {}

MilvusServer::~MilvusServer() = default;

Result<std::unique_ptr<MilvusServer>> MilvusServer::Open(const Context& context, const MilvusOptions& options) {
  RAGTIME_RETURN_IF_ERROR(ConsistencyLevelOf(options.consistency_level).status());
  MilvusOptions of_server = options;
  std::unique_ptr<LiteProcess> lite;
  if (IsMilvusPath(options.uri)) {
    RAGTIME_ASSIGN_OR_RETURN(lite, LiteProcess::Start(context, options.uri, options.lite_program));
    of_server.uri = lite->uri();
  }
  RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<const MilvusChannel> channel,
                           MilvusChannel::Open(of_server, lite != nullptr ? options.uri : ""));
  return std::unique_ptr<MilvusServer>(new MilvusServer(std::move(lite), std::move(channel)));
}

std::string_view MilvusServer::name() const { return channel_->name(); }

Result<std::string> MilvusServer::Version(const Context& context) {
  proto::GetVersionResponse response;
  RAGTIME_RETURN_IF_ERROR(channel_->Call(context, "GetVersion", proto::GetVersionRequest(), response, ""));
  return response.version();
}

Result<bool> MilvusServer::Exists(const Context& context, std::string_view collection) {
  proto::HasCollectionRequest request;
  request.set_collection_name(std::string(collection));
  proto::BoolResponse response;
  const Status status = channel_->Call(context, "HasCollection", request, response, What(collection));
  if (status.code() == StatusCode::kNotFound) return false;  // Some servers answer so.
  if (!status.ok()) return status;
  return response.value();
}

Result<std::shared_ptr<Collection>> MilvusServer::OpenOrMake(const Context& context, const CollectionSpec& spec) {
  if (spec.index_type.starts_with("SPARSE_")) {
    return InvalidArgumentError(StrCat(spec.index_type, " is an index of sparse vectors, and an embedder's are dense"),
                                "set index_type to FLAT, HNSW, IVF_FLAT or AUTOINDEX");
  }
  RAGTIME_ASSIGN_OR_RETURN(const bool exists, Exists(context, spec.name));
  RAGTIME_RETURN_IF_ERROR(exists ? CheckSame(context, spec) : Make(context, spec));
  RAGTIME_RETURN_IF_ERROR(LoadMilvusCollection(context, *channel_, spec.name));
  RAGTIME_ASSIGN_OR_RETURN(const bool is_lite, IsLite(context));
  return std::shared_ptr<Collection>(std::make_shared<MilvusCollection>(channel_, spec, is_lite));
}

// Milvus Lite (3.2.2) says that its collections bear one writer at a time: it has no lock around a collection's log,
// memory and flush.
Result<bool> MilvusServer::IsLite(const Context& context) {
  if (lite_ != nullptr) return true;
  proto::GetVersionResponse response;
  const Status status = channel_->Call(context, "GetVersion", proto::GetVersionRequest(), response, "the server");
  if (status.code() == StatusCode::kUnimplemented) return false;
  if (!status.ok()) return status;
  return response.version().starts_with("milvus_lite") || response.version().starts_with("milvus-lite");
}

Status MilvusServer::Make(const Context& context, const CollectionSpec& spec) {
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  common::Status status;
  const Status made = channel_->Call(context, "CreateCollection", CreateRequest(spec, level), status, What(spec.name));
  if (!made.ok()) {
    // Another client, or an attempt whose answer was lost, may have made it.
    const auto exists = Exists(context, spec.name);
    if (!exists.ok() || !*exists) return made;
    RAGTIME_RETURN_IF_ERROR(CheckSame(context, spec));
  }
  return channel_->Call(context, "CreateIndex", IndexRequest(spec), status, What(spec.name));
}

Status MilvusServer::CheckSame(const Context& context, const CollectionSpec& spec) {
  proto::DescribeCollectionRequest request;
  request.set_collection_name(spec.name);
  proto::DescribeCollectionResponse response;
  RAGTIME_RETURN_IF_ERROR(channel_->Call(context, "DescribeCollection", request, response, What(spec.name)));
  std::map<std::string, const milvus::proto::schema::FieldSchema*> there;
  for (const auto& field : response.schema().fields()) there[field.name()] = &field;
  const auto wanted = SchemaOf(spec);
  for (const auto& field : wanted.fields()) {
    const auto found = there.find(field.name());
    if (found == there.end()) return Differs(spec, StrCat("it has no column ", field.name()));
    if (found->second->data_type() != field.data_type()) {
      return Differs(spec, StrCat("its column ", field.name(), " is of another type"));
    }
    if (field.name() != "vector") continue;
    for (const auto& parameter : found->second->type_params()) {
      const std::string dimension = StrCat(MilvusDimension(spec));
      if (parameter.key() == "dim" && parameter.value() != dimension) {
        return Differs(spec, StrCat("its vectors have dimension ", parameter.value(), ", not ", dimension));
      }
    }
  }
  proto::DescribeIndexRequest index_request;
  index_request.set_collection_name(spec.name);
  index_request.set_field_name("vector");
  proto::DescribeIndexResponse indexes;
  const Status status = channel_->Call(context, "DescribeIndex", index_request, indexes, What(spec.name));
  if (!status.ok() || indexes.index_descriptions().empty()) {
    // It was made, and the process ended before its index was.
    common::Status made;
    return channel_->Call(context, "CreateIndex", IndexRequest(spec), made, What(spec.name));
  }
  for (const auto& index : indexes.index_descriptions()) {
    for (const auto& parameter : index.params()) {
      // A hosted server makes its own index of every type that it is asked for.
      if (parameter.key() == "index_type" && parameter.value() != spec.index_type && parameter.value() != "AUTOINDEX") {
        return Differs(spec, StrCat("its index is ", parameter.value(), ", not ", spec.index_type));
      }
      if (parameter.key() == "metric_type" && parameter.value() != MilvusMetric(spec.metric)) {
        return Differs(spec, StrCat("its metric is ", parameter.value(), ", not ", MilvusMetric(spec.metric)));
      }
    }
  }
  return Status();
}

Status MilvusServer::Drop(const Context& context, std::string_view collection) {
  RAGTIME_ASSIGN_OR_RETURN(const bool exists, Exists(context, collection));
  if (!exists) return Status();
  proto::DropCollectionRequest request;
  request.set_collection_name(std::string(collection));
  common::Status status;
  return channel_->Call(context, "DropCollection", request, status, What(collection));
}

}  // namespace ragtime
