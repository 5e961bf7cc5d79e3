// SPDX-License-Identifier: Apache-2.0
#include "milvus_answer_targets.h"

#include <algorithm>
#include <cmath>

#include "fuzzed_collection.h"
#include "require.h"
#include "store/milvus/milvus_columns.h"
#include "store/milvus/milvus_expression.h"
#include "store/milvus/milvus_rows.h"

namespace ragtime {
namespace {

namespace proto = milvus::proto::milvus;
namespace schema = milvus::proto::schema;

template <typename Message>
bool Parse(std::span<const std::byte> bytes, Message& message) {
  const google::protobuf::LogSilencer silence;  // Of each text that is not UTF-8.
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::vector<std::byte> BytesOf(const google::protobuf::Message& message) {
  const std::string text = message.SerializeAsString();
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// Every byte of it is looked at, as a caller would.
size_t SizeOf(const std::vector<CollectionRow>& rows) {
  size_t size = 0;
  for (const CollectionRow& row : rows) size += SizeBytesOf(row);
  return size;
}

}  // namespace

bool UseAsMilvusRows(std::span<const std::byte> bytes) {
  proto::QueryResults results;
  if (!Parse(bytes, results)) return false;
  bool taken = false;
  for (const bool with_vectors : {false, true}) {
    const auto rows = RowsOf(FuzzedCollection(), results, with_vectors);
    if (rows.ok()) {
      taken |= SizeOf(*rows) > 0;
    } else {
      Require(rows.status().code() == StatusCode::kDataLoss && !rows.status().remedy().empty());
    }
  }
  const MilvusLayout layout = {.key = "id", .vector = "vector", .columns = OutputFields(FuzzedCollection(), true)};
  const auto foreign = ForeignRowsOf(layout, results.fields_data(), 2);
  if (!foreign.ok()) return taken;
  for (const ForeignRow& row : *foreign) taken |= !row.columns.Dump().empty();
  return taken;
}

bool UseAsMilvusHits(std::span<const std::byte> bytes) {
  proto::SearchResults results;
  if (!Parse(bytes, results)) return false;
  const auto hits = HitsOf(FuzzedCollection(), results.results());
  if (!hits.ok()) return false;
  for (const CollectionHit& hit : *hits) Require(!std::isnan(hit.score));
  Require(std::is_sorted(hits->begin(), hits->end(),
                         [](const CollectionHit& a, const CollectionHit& b) { return a.score > b.score; }));
  return !hits->empty();
}

std::vector<std::byte> MilvusRowsSeed() {
  proto::QueryResults results;
  const auto add = [&results](const std::string& name) -> schema::FieldData& {
    schema::FieldData& field = *results.add_fields_data();
    field.set_field_name(name);
    return field;
  };
  const auto add_column = [&add](const std::string& name) -> schema::ScalarField& {
    schema::FieldData& field = add(MilvusColumn(name));
    field.add_valid_data(true);
    field.add_valid_data(false);
    return *field.mutable_scalars();
  };
  auto& ids = *add("id").mutable_scalars()->mutable_long_data();
  ids.add_data(1);
  ids.add_data(2);
  for (const char* name : {"text", "payload"}) {
    auto& texts = *add(name).mutable_scalars()->mutable_string_data();
    texts.add_data("one");
    texts.add_data("two");
  }
  auto& vectors = *add("vector").mutable_vectors();
  vectors.set_dim(3);
  for (int i = 0; i < 6; ++i) vectors.mutable_float_vector()->add_data(0.5f);
  schema::FieldData& rest = add("text_rest");
  rest.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data()->add_data(" more");
  rest.add_valid_data(false);
  rest.add_valid_data(true);
  add_column("year").mutable_long_data()->add_data(2020);
  add_column("when").mutable_long_data()->add_data(1700000000000);
  add_column("price").mutable_double_data()->add_data(1.5);
  add_column("open").mutable_bool_data()->add_data(true);
  add_column("author").mutable_string_data()->add_data("Li");
  add_column("tags").mutable_array_data()->add_data()->mutable_string_data()->add_data("sql");
  return BytesOf(results);
}

std::vector<std::byte> MilvusHitsSeed() {
  proto::SearchResults results;
  for (int i = 0; i < 40; ++i) {
    results.mutable_results()->mutable_ids()->mutable_int_id()->add_data(i);
    results.mutable_results()->add_scores(1.0f / static_cast<float>(i % 7 + 1));
  }
  return BytesOf(results);
}

}  // namespace ragtime
