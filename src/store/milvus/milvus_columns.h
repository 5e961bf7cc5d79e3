// SPDX-License-Identifier: Apache-2.0
//
// The columns of Milvus' messages, whatever type they are of: which values are null, what they are as JSON, and which
// columns of a collection that another program has made are read.
//
// Threads: functions without state. Errors: kInvalidArgument names the columns of vectors that there are; kDataLoss
// the column that is not whole.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_COLUMNS_H_
#define RAGTIME_STORE_MILVUS_MILVUS_COLUMNS_H_

#include <milvus_proto/schema.pb.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/status.h"
#include "store/collection_reader.h"
#include "wire/json.h"

namespace ragtime {

// The values of one column of an answer. Servers leave nulls out, or put something in their place.
class AnsweredColumn {
 public:
  // Borrows `data`.
  AnsweredColumn(const milvus::proto::schema::FieldData& data, size_t rows);

  bool IsWhole() const;
  // Where the row's value lies; none if it is null.
  std::optional<int> Place(size_t row) const;
  const milvus::proto::schema::ScalarField& scalars() const { return data_.scalars(); }
  const milvus::proto::schema::FieldData& data() const { return data_; }

 private:
  size_t ValueCount() const;

  const milvus::proto::schema::FieldData& data_;
  const size_t rows_;
  std::vector<size_t> places_;  // Empty: nothing is null.
};

// The columns that are read of a collection of any schema.
struct MilvusLayout {
  std::string key;  // The primary key.
  bool key_is_text = false;
  std::string vector;
  std::vector<std::string> columns;  // To ask for: these two, and everything that is no vector.
};
Result<MilvusLayout> MilvusLayoutOf(const milvus::proto::schema::CollectionSchema& schema,
                                    const ForeignCollection& wanted);

// Rows out of columns. The keys of a column of JSON objects, as Milvus' dynamic fields are, become columns themselves
// where there is none of that name.
Result<std::vector<ForeignRow>> ForeignRowsOf(
    const MilvusLayout& layout, const google::protobuf::RepeatedPtrField<milvus::proto::schema::FieldData>& fields,
    size_t rows);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_COLUMNS_H_
