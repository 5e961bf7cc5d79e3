// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_lite_file.h"

#include <google/protobuf/stubs/logging.h>
#include <milvus_proto/schema.pb.h>

#include <cstddef>
#include <limits>
#include <span>

#include "base/str_cat.h"

namespace ragtime {
namespace {

namespace schema = milvus::proto::schema;

// Of a name within "...".
std::string Quoted(const std::string& name) {
  std::string quoted;
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted;
}

template <typename Message>
bool Parse(std::span<const std::byte> bytes, Message& message) {
  const google::protobuf::LogSilencer silencer;
  return bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

Status Broken(const Query& query, std::string_view what) {
  return DataLossError(StrCat(query.file().string(), " holds ", what, " that cannot be read"),
                       "check the file with the program that made it");
}

}  // namespace

Result<std::unique_ptr<CollectionReader>> MilvusLiteFile::Open(const std::filesystem::path& file,
                                                               const ForeignCollection& collection) {
  RAGTIME_ASSIGN_OR_RETURN(auto connection, Connection::Open(file, Access::kRead));
  std::unique_ptr<MilvusLiteFile> reader(new MilvusLiteFile(
      std::move(connection),
      StrCat("SELECT id, data FROM \"", Quoted(collection.name), "\" WHERE id > ? ORDER BY id LIMIT ?")));
  std::string known;
  Query query = reader->connection_->Prepare(
      "SELECT collection_name, blob_field FROM collection_meta WHERE meta_type = 'schema'");
  for (;;) {
    const Result<bool> row = query.Step();
    if (!row.ok()) {
      return row.status()
          .Annotate(StrCat(file.string(), " is no database of Milvus Lite"))
          .WithRemedy("name the file that MilvusClient(...) was given, or the address of a server");
    }
    if (!*row) break;
    const std::string name = query.Text(0);
    known += StrCat(known.empty() ? "" : ", ", name);
    if (name != collection.name) continue;
    schema::CollectionSchema described;
    if (!Parse(query.Blob(1), described)) return Broken(query, StrCat("a schema of the collection ", name));
    RAGTIME_ASSIGN_OR_RETURN(reader->layout_, MilvusLayoutOf(described, collection));
  }
  if (reader->layout_.key.empty()) {
    return NotFoundError(
        StrCat(file.string(), " has no collection ", collection.name),
        known.empty() ? "it has none at all: check the path" : StrCat("name one of those that it has: ", known));
  }
  return std::unique_ptr<CollectionReader>(std::move(reader));
}

Result<std::vector<ForeignRow>> MilvusLiteFile::Next(const Context& context, size_t limit) {
  std::vector<ForeignRow> rows;
  Query query = connection_->Prepare(select_.c_str());
  query.Bind(last_).Bind(static_cast<int64_t>(limit));
  for (;;) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const bool has_row, query.Step());
    if (!has_row) return rows;
    last_ = query.Int(0);
    // Milvus Lite's InsertRecord: the columns of one row as field 1, their number as field 2. This message has them
    // under the same number.
    schema::StructArrayField record;
    if (!Parse(query.Blob(1), record)) return Broken(query, StrCat("the row ", last_));
    RAGTIME_ASSIGN_OR_RETURN(std::vector<ForeignRow> one, ForeignRowsOf(layout_, record.fields(), 1));
    rows.push_back(std::move(one.front()));
  }
}

}  // namespace ragtime
