// SPDX-License-Identifier: Apache-2.0
#include "store/row_filter.h"

#include <algorithm>

namespace ragtime {
namespace {

RowWords AllRows(size_t rows) {
  RowWords words((rows + 63) / 64);
  SetRows(words, 0, static_cast<uint32_t>(rows));
  return words;
}

bool IsEmpty(const RowWords& words) {
  return std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; });
}

}  // namespace

Result<RowWords> EvaluateFilter(const FilterNode& node, size_t rows,
                                const std::function<Result<RowWords>(const FilterNode& leaf)>& rows_of) {
  switch (node.op) {
    case FilterOp::kAnd: {
      RowWords all = AllRows(rows);
      for (const FilterNode& operand : node.operands) {
        if (IsEmpty(all)) break;
        RAGTIME_ASSIGN_OR_RETURN(const RowWords words, EvaluateFilter(operand, rows, rows_of));
        for (size_t i = 0; i < all.size(); ++i) all[i] &= words[i];
      }
      return all;
    }
    case FilterOp::kOr: {
      RowWords any((rows + 63) / 64);
      for (const FilterNode& operand : node.operands) {
        RAGTIME_ASSIGN_OR_RETURN(const RowWords words, EvaluateFilter(operand, rows, rows_of));
        for (size_t i = 0; i < any.size(); ++i) any[i] |= words[i];
      }
      return any;
    }
    case FilterOp::kNot: {
      RAGTIME_ASSIGN_OR_RETURN(const RowWords words, EvaluateFilter(node.operands.at(0), rows, rows_of));
      RowWords others = AllRows(rows);
      for (size_t i = 0; i < others.size(); ++i) others[i] &= ~words[i];
      return others;
    }
    default: {
      RAGTIME_ASSIGN_OR_RETURN(RowWords words, rows_of(node));
      words.resize((rows + 63) / 64);
      return words;
    }
  }
}

bool IsRowField(std::string_view field) { return field == "group" || field == "page" || field == "position"; }

FieldValue RowFieldValue(const NodeRow& row, std::string_view field) {
  if (field == "group") return std::string(row.group);
  if (field == "position") return static_cast<int64_t>(row.position);
  if (row.page) return static_cast<int64_t>(*row.page);
  return {};
}

bool IsFileField(std::string_view field) {
  const auto fields = FileFields();
  return std::any_of(fields.begin(), fields.end(), [field](const FieldSpec& spec) { return spec.name == field; });
}

Result<RowWords> SegmentFilter::RowsOf(const Segment& segment) {
  return EvaluateFilter(filter_.root(), segment.rows(),
                        [&](const FilterNode& leaf) { return RowsOfLeaf(segment, leaf); });
}

Result<RowWords> SegmentFilter::RowsOfLeaf(const Segment& segment, const FilterNode& leaf) {
  RowWords words((size_t{segment.rows()} + 63) / 64);
  if (IsRowField(leaf.field)) {
    for (uint32_t row = 0; row < segment.rows(); ++row) {
      RAGTIME_ASSIGN_OR_RETURN(const NodeRow node, segment.ReadRow(row));
      if (MatchesLeaf(leaf, RowFieldValue(node, leaf.field))) SetRows(words, row, 1);
    }
    return words;
  }
  if (IsFileField(leaf.field)) return RowsOfFiles(segment, leaf);
  RAGTIME_ASSIGN_OR_RETURN(const FieldColumns* columns, segment.fields());
  const auto has_column = [&] {
    const auto& fields = columns->fields();
    return std::any_of(fields.begin(), fields.end(),
                       [&leaf](const FieldSpec& spec) { return spec.name == leaf.field && spec.type == leaf.type; });
  };
  if (columns == nullptr || !has_column()) {
    // Made before the field was declared so: all are null.
    if (MatchesLeaf(leaf, FieldValue())) SetRows(words, 0, segment.rows());
    return words;
  }
  RAGTIME_ASSIGN_OR_RETURN(ItemSet documents, columns->Match(leaf));
  // Where each document is one node, its number is its row's.
  if (segment.document_count() == segment.rows()) return std::move(documents.words);
  Status status;
  ForEachRow(documents.words, [&](uint32_t index) {
    const Result<DocumentRows> rows = index < segment.document_count()
                                          ? segment.document(index)
                                          : Result<DocumentRows>(DataLossError("the columns name an unknown document"));
    if (rows.ok()) {
      SetRows(words, rows->first_row, rows->row_count);
    } else if (status.ok()) {
      status = rows.status();
    }
  });
  RAGTIME_RETURN_IF_ERROR(status);
  return words;
}

Result<RowWords> SegmentFilter::RowsOfFiles(const Segment& segment, const FilterNode& leaf) {
  auto known = documents_.find(&leaf);
  if (known == documents_.end()) {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<DocumentId> ids, find_documents_(leaf));
    known = documents_.emplace(&leaf, std::move(ids)).first;
  }
  RowWords words((size_t{segment.rows()} + 63) / 64);
  const std::vector<DocumentId>& ids = known->second;
  if (ids.empty()) return words;
  // Both ascend: one walk over the documents of the segment that lie between the first and the last wanted.
  auto wanted = ids.begin();
  for (uint32_t index = segment.FindDocumentIndex(ids.front()); index < segment.document_count(); ++index) {
    RAGTIME_ASSIGN_OR_RETURN(const DocumentRows rows, segment.document(index));
    wanted = std::lower_bound(wanted, ids.end(), rows.document_id);
    if (wanted == ids.end()) break;
    if (*wanted == rows.document_id) SetRows(words, rows.first_row, rows.row_count);
  }
  return words;
}

}  // namespace ragtime
