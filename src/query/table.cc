// SPDX-License-Identifier: Apache-2.0
#include "query/table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

using Row = std::vector<FieldValue>;

constexpr char kId[] = "id";
constexpr char kParentId[] = "parent_id";
constexpr char kDocumentId[] = "document_id";
constexpr char kText[] = "text";
constexpr char kCount[] = "count";

bool IsNull(const FieldValue& value) { return std::holds_alternative<std::monostate>(value); }

// -1, 0 or 1; null comes last in both directions.
int Compare(const FieldValue& a, const FieldValue& b, bool descending) {
  if (IsNull(a) || IsNull(b)) return static_cast<int>(IsNull(a)) - static_cast<int>(IsNull(b));
  const int order = a < b ? -1 : b < a ? 1 : 0;
  return descending ? -order : order;
}

std::string ColumnOf(const Aggregate& aggregate) {
  if (aggregate.kind == AggregateKind::kCount) return kCount;
  return StrCat(aggregate.kind == AggregateKind::kMin ? "min(" : "max(", aggregate.field, ")");
}

class TableQuery {
 public:
  TableQuery(const Snapshot& snapshot, const TableRequest& request)
      : snapshot_(snapshot), request_(request), of_nodes_(request.from == TableSource::kNodes) {}

  Result<TableResult> Run() {
    RAGTIME_RETURN_IF_ERROR(Prepare());
    if (!request_.group_by.empty() || !request_.aggregates.empty()) {
      RAGTIME_RETURN_IF_ERROR(Group());
      return std::move(result_);
    }
    RAGTIME_RETURN_IF_ERROR(Select());
    if (of_nodes_) RAGTIME_RETURN_IF_ERROR(FillTexts());
    return std::move(result_);
  }

 private:
  // A row on its way: values by column come from here.
  struct Source {
    int64_t id = 0;
    const FileRecord* file = nullptr;
    const NodeRow* node = nullptr;
  };
  using Visit = std::function<bool(const Source&)>;

  Status Prepare() {
    std::vector<FieldSpec> fields(FileFields().begin(), FileFields().end());
    fields.insert(fields.end(), snapshot_.fields().begin(), snapshot_.fields().end());
    if (of_nodes_) fields = NodeFields(snapshot_.fields());
    known_ = {kId, of_nodes_ ? kDocumentId : kParentId};
    if (of_nodes_) known_.emplace_back(kText);
    for (const FieldSpec& field : fields) known_.push_back(field.name);
    RAGTIME_ASSIGN_OR_RETURN(filter_, Filter::Parse(request_.filter, fields));
    for (const std::string& column : request_.select) RAGTIME_RETURN_IF_ERROR(CheckColumn(column));
    for (const std::string& column : request_.group_by) RAGTIME_RETURN_IF_ERROR(CheckNotText(column));
    for (const Aggregate& aggregate : request_.aggregates) {
      if (aggregate.kind != AggregateKind::kCount) RAGTIME_RETURN_IF_ERROR(CheckNotText(aggregate.field));
    }
    return Status();
  }

  Status CheckNotText(const std::string& column) const {
    if (of_nodes_ && column == kText) {
      return InvalidArgumentError("nodes can be neither ordered nor grouped by text", "take another column");
    }
    return CheckColumn(column);
  }

  Status CheckColumn(const std::string& column) const {
    if (std::find(known_.begin(), known_.end(), column) != known_.end()) return Status();
    std::string names;
    for (const std::string& name : known_) names += StrCat(names.empty() ? "" : ", ", name);
    return InvalidArgumentError(StrCat("there is no column ", column, " of ", of_nodes_ ? "nodes" : "files"),
                                StrCat("choose among ", names));
  }

  // Calls `visit` for each row that matches, by ascending id for nodes and by path for files.
  Status ForEach(bool needs_files, const Visit& visit) {
    if (!of_nodes_ || needs_files) {
      RAGTIME_ASSIGN_OR_RETURN(files_, snapshot_.Files());
    }
    if (of_nodes_) {
      for (const FileRecord& file : files_) file_of_[file.id] = &file;
      return snapshot_.VisitNodes(request_.context, filter_, [&](const NodeRow& node) {
        const auto file = file_of_.find(node.document_id);
        return visit({.id = node.node_id, .file = file == file_of_.end() ? nullptr : file->second, .node = &node});
      });
    }
    FieldValue value;
    for (const FileRecord& file : files_) {
      RAGTIME_RETURN_IF_ERROR(request_.context.Check());
      const bool matches = filter_.Matches(
          [&](std::string_view field) -> const FieldValue& { return value = FileFieldValue(file, field); });
      if (matches && !visit({.id = file.id, .file = &file})) break;
    }
    return Status();
  }

  FieldValue ValueOf(const Source& source, const std::string& column) const {
    if (column == kId) return source.id;
    if (source.node != nullptr) {
      if (column == kDocumentId) return source.node->document_id;
      if (column == "group") return std::string(source.node->group);
      if (column == "position") return static_cast<int64_t>(source.node->position);
      if (column == "page")
        return source.node->page ? FieldValue(static_cast<int64_t>(*source.node->page)) : FieldValue();
      if (column == kText) return {};  // Read at the end, of the rows that are shown.
    }
    if (column == kParentId) return source.file->parent_id ? FieldValue(*source.file->parent_id) : FieldValue();
    return source.file == nullptr ? FieldValue() : FileFieldValue(*source.file, column);
  }

  bool NeedsFiles(const std::vector<std::string>& columns) const {
    return std::any_of(columns.begin(), columns.end(), [](const std::string& column) {
      return column != kId && column != kDocumentId && column != kText && column != "group" && column != "position" &&
             column != "page";
    });
  }

  std::vector<std::string> DefaultColumns() const {
    std::vector<std::string> columns = {kId, "file_path"};
    if (of_nodes_) {
      columns.insert(columns.end(), {"group", "position"});
    } else {
      columns.insert(columns.end(), {"file_size", "status", "nodes"});
    }
    for (const FieldSpec& field : snapshot_.fields()) columns.push_back(field.name);
    if (of_nodes_) columns.emplace_back(kText);
    return columns;
  }

  // The first offset + limit rows in order are kept, in a heap whose top is the last of them.
  Status Select() {
    result_.columns = request_.select.empty() ? DefaultColumns() : request_.select;
    std::vector<std::string> columns = result_.columns;
    for (const OrderBy& order : request_.order_by) {
      RAGTIME_RETURN_IF_ERROR(CheckNotText(order.column));
      columns.push_back(order.column);
    }
    columns.emplace_back(kId);
    const size_t shown = result_.columns.size();
    const size_t keep = request_.limit > SIZE_MAX - request_.offset ? SIZE_MAX : request_.offset + request_.limit;
    const auto before = [&](const Row& a, const Row& b) {
      for (size_t i = 0; i < request_.order_by.size(); ++i) {
        const int order = Compare(a[shown + i], b[shown + i], request_.order_by[i].descending);
        if (order != 0) return order < 0;
      }
      return a.back() < b.back();
    };
    std::vector<Row> rows;
    RAGTIME_RETURN_IF_ERROR(ForEach(NeedsFiles(columns), [&](const Source& source) {
      ++result_.total;
      // Without an order rows come as they are shown.
      if (request_.order_by.empty() && rows.size() >= keep) return true;
      Row row;
      row.reserve(columns.size());
      for (const std::string& column : columns) row.push_back(ValueOf(source, column));
      rows.push_back(std::move(row));
      if (request_.order_by.empty()) return true;
      std::push_heap(rows.begin(), rows.end(), before);
      if (rows.size() > keep) {
        std::pop_heap(rows.begin(), rows.end(), before);
        rows.pop_back();
      }
      return true;
    }));
    if (!request_.order_by.empty()) std::sort_heap(rows.begin(), rows.end(), before);
    for (size_t i = request_.offset; i < rows.size(); ++i) {
      ids_.push_back(std::get<int64_t>(rows[i].back()));
      rows[i].resize(shown);
      result_.rows.push_back(std::move(rows[i]));
    }
    return Status();
  }

  Status FillTexts() {
    const auto text = std::find(result_.columns.begin(), result_.columns.end(), kText);
    if (text == result_.columns.end()) return Status();
    RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot_.GetNodes(ids_));
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i]) result_.rows[i][static_cast<size_t>(text - result_.columns.begin())] = nodes[i]->text;
    }
    return Status();
  }

  Status Group() {
    if (!request_.select.empty()) {
      return InvalidArgumentError("a grouped query cannot select columns",
                                  "name them in group_by, or leave select out");
    }
    std::vector<Aggregate> aggregates = request_.aggregates;
    if (aggregates.empty()) aggregates.push_back({});
    result_.columns = request_.group_by;
    for (const Aggregate& aggregate : aggregates) result_.columns.push_back(ColumnOf(aggregate));
    std::vector<std::string> columns = request_.group_by;
    for (const Aggregate& aggregate : aggregates) columns.push_back(aggregate.field);
    const bool only_count =
        request_.group_by.empty() && aggregates.size() == 1 && aggregates[0].kind == AggregateKind::kCount;
    std::map<Row, Row> groups;
    if (of_nodes_ && only_count) {
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, snapshot_.CountNodes(request_.context, filter_));
      groups[{}] = {static_cast<int64_t>(count)};
    } else {
      if (request_.group_by.empty()) groups[{}] = Empty(aggregates);
      RAGTIME_RETURN_IF_ERROR(ForEach(NeedsFiles(columns), [&](const Source& source) {
        Row key;
        for (const std::string& column : request_.group_by) key.push_back(ValueOf(source, column));
        auto [group, inserted] = groups.try_emplace(std::move(key));
        if (inserted) group->second = Empty(aggregates);
        for (size_t i = 0; i < aggregates.size(); ++i) Add(aggregates[i], source, group->second[i]);
        return true;
      }));
    }
    result_.total = groups.size();
    for (auto& [key, values] : groups) {
      Row row = key;
      row.insert(row.end(), values.begin(), values.end());
      result_.rows.push_back(std::move(row));
    }
    return OrderGroups();
  }

  static Row Empty(const std::vector<Aggregate>& aggregates) {
    Row row;
    for (const Aggregate& aggregate : aggregates) {
      row.push_back(aggregate.kind == AggregateKind::kCount ? FieldValue(int64_t{0}) : FieldValue());
    }
    return row;
  }

  void Add(const Aggregate& aggregate, const Source& source, FieldValue& into) const {
    if (aggregate.kind == AggregateKind::kCount) {
      ++std::get<int64_t>(into);
      return;
    }
    FieldValue value = ValueOf(source, aggregate.field);
    if (IsNull(value)) return;
    const bool better = aggregate.kind == AggregateKind::kMin ? value < into : into < value;
    if (IsNull(into) || better) into = std::move(value);
  }

  Status OrderGroups() {
    std::vector<size_t> keys;
    for (const OrderBy& order : request_.order_by) {
      const auto column = std::find(result_.columns.begin(), result_.columns.end(), order.column);
      if (column == result_.columns.end()) {
        std::string names;
        for (const std::string& name : result_.columns) names += StrCat(names.empty() ? "" : ", ", name);
        return InvalidArgumentError(StrCat("groups cannot be ordered by ", order.column),
                                    StrCat("choose among ", names));
      }
      keys.push_back(static_cast<size_t>(column - result_.columns.begin()));
    }
    // The groups came in the order of their keys, which stays for equal ones.
    std::stable_sort(result_.rows.begin(), result_.rows.end(), [&](const Row& a, const Row& b) {
      for (size_t i = 0; i < keys.size(); ++i) {
        const int order = Compare(a[keys[i]], b[keys[i]], request_.order_by[i].descending);
        if (order != 0) return order < 0;
      }
      return false;
    });
    const size_t first = std::min(request_.offset, result_.rows.size());
    result_.rows.erase(result_.rows.begin(), result_.rows.begin() + static_cast<std::ptrdiff_t>(first));
    if (result_.rows.size() > request_.limit) result_.rows.resize(request_.limit);
    return Status();
  }

  const Snapshot& snapshot_;
  const TableRequest& request_;
  const bool of_nodes_;
  std::vector<std::string> known_;
  Filter filter_;
  std::vector<FileRecord> files_;
  std::unordered_map<DocumentId, const FileRecord*> file_of_;
  std::vector<NodeId> ids_;  // Of result_.rows.
  TableResult result_;
};

}  // namespace

Result<TableResult> QueryTable(const Snapshot& snapshot, const TableRequest& request) {
  return TableQuery(snapshot, request).Run();
}

}  // namespace ragtime
