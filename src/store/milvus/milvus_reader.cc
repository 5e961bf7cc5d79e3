// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_reader.h"

#include <milvus_proto/milvus.pb.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/str_cat.h"
#include "store/milvus/lite_process.h"
#include "store/milvus/milvus_channel.h"
#include "store/milvus/milvus_collection.h"
#include "store/milvus/milvus_expression.h"
#include "store/milvus/milvus_requests.h"
#include "store/milvus/milvus_server.h"

namespace ragtime {
namespace {

namespace proto = milvus::proto::milvus;

constexpr size_t kRowsMax = 1024;

int64_t Number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// pymilvus keeps the data in the folder itself; we keep them in one below, beside the log.
Result<std::unique_ptr<LiteProcess>> StartLite(const Context& context, const MilvusOptions& options) {
  const std::filesystem::path folder = options.uri;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return NotFoundError(StrCat("there is no database of Milvus Lite at ", folder.string()),
                         "name its folder, the file of Milvus Lite 2.x, or the address of a server");
  }
  const bool is_ours = std::filesystem::is_directory(folder / "data" / "collections", error);
  return LiteProcess::StartOn(context, is_ours ? folder / "data" : folder, "/dev/null", options.lite_program);
}

Status NotThere(const Context& context, const MilvusChannel& channel, const std::string& name) {
  proto::ShowCollectionsResponse response;
  RAGTIME_RETURN_IF_ERROR(channel.Call(context, "ShowCollections", proto::ShowCollectionsRequest(), response, ""));
  std::string known;
  for (const std::string& collection : response.collection_names()) {
    known += StrCat(known.empty() ? "" : ", ", collection);
  }
  return NotFoundError(StrCat(channel.name(), " has no collection ", name),
                       known.empty() ? "it has none at all: check the address and ?db_name="
                                     : StrCat("name one of those that it has: ", known));
}

}  // namespace

MilvusReader::MilvusReader(std::unique_ptr<LiteProcess> lite, std::unique_ptr<const MilvusChannel> channel,
                           std::string name)
    : lite_(std::move(lite)), channel_(std::move(channel)), name_(std::move(name)) {}

MilvusReader::~MilvusReader() = default;

Result<std::unique_ptr<CollectionReader>> MilvusReader::Open(const Context& context, const MilvusOptions& options,
                                                             const ForeignCollection& collection) {
  MilvusOptions of_server = options;
  std::unique_ptr<LiteProcess> lite;
  if (IsMilvusPath(options.uri)) {
    RAGTIME_ASSIGN_OR_RETURN(lite, StartLite(context, options));
    of_server.uri = lite->uri();
  }
  RAGTIME_ASSIGN_OR_RETURN(auto channel, MilvusChannel::Open(of_server, lite != nullptr ? options.uri : ""));
  std::unique_ptr<MilvusReader> reader(new MilvusReader(std::move(lite), std::move(channel), collection.name));
  const MilvusChannel& server = *reader->channel_;
  const std::string what = StrCat("the collection ", collection.name);
  proto::HasCollectionRequest has;
  has.set_collection_name(collection.name);
  proto::BoolResponse there;
  const Status found = server.Call(context, "HasCollection", has, there, what);
  if (!found.ok() && found.code() != StatusCode::kNotFound) return found;
  if (!there.value()) return NotThere(context, server, collection.name);
  proto::DescribeCollectionRequest request;
  request.set_collection_name(collection.name);
  proto::DescribeCollectionResponse response;
  RAGTIME_RETURN_IF_ERROR(server.Call(context, "DescribeCollection", request, response, what));
  RAGTIME_ASSIGN_OR_RETURN(reader->layout_, MilvusLayoutOf(response.schema(), collection));
  RAGTIME_RETURN_IF_ERROR(LoadMilvusCollection(context, server, collection.name));
  return std::unique_ptr<CollectionReader>(std::move(reader));
}

Result<std::string> MilvusReader::Behind() const {
  if (!layout_.key_is_text) {
    if (last_.empty()) return StrCat(layout_.key, " < ", INT64_MAX);
    return StrCat(layout_.key, " > ", last_);
  }
  if (last_.empty()) return StrCat(layout_.key, " != \"\"");
  const auto quoted = MilvusString(last_);
  if (quoted) return StrCat(layout_.key, " > ", *quoted);
  return UnimplementedError(StrCat("the collection ", name_, " has a key with control characters"),
                            "ingest its documents instead");
}

Result<std::vector<ForeignRow>> MilvusReader::Next(const Context& context, size_t limit) {
  RAGTIME_ASSIGN_OR_RETURN(const auto level, ConsistencyLevelOf(channel_->options().consistency_level));
  RAGTIME_ASSIGN_OR_RETURN(std::string expression, Behind());
  const std::string what = StrCat("the collection ", name_);
  proto::QueryResults results;
  const size_t rows_max = std::min(limit, kRowsMax);
  RAGTIME_RETURN_IF_ERROR(channel_->Call(
      context, "Query", LowestRequestOf(name_, std::move(expression), layout_.columns, rows_max, Consistency(level)),
      results, what));
  size_t count = 0;
  for (const auto& field : results.fields_data()) {
    if (field.field_name() != layout_.key) continue;
    const auto& scalars = field.scalars();
    count = static_cast<size_t>(std::max(scalars.string_data().data_size(), scalars.long_data().data_size()));
  }
  auto rows = ForeignRowsOf(layout_, results.fields_data(), count);
  if (!rows.ok()) return rows.status().Annotate(StrCat(channel_->name(), ", Query of ", what));
  if (rows->empty()) return rows;
  const auto less = [this](const ForeignRow& a, const ForeignRow& b) {
    return layout_.key_is_text ? a.id < b.id : Number(a.id) < Number(b.id);
  };
  std::sort(rows->begin(), rows->end(), less);
  ForeignRow last;
  last.id = last_;
  if (!last_.empty() && !less(last, rows->front())) {
    return DataLossError(StrCat(channel_->name(), ", Query of ", what, ": rows that were not asked for"));
  }
  last_ = rows->back().id;
  return rows;
}

}  // namespace ragtime
