// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/field_json.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

constexpr size_t kCellCharacters = 60;

TableRequest RequestOf(const Options& options, const Context& context) {
  TableRequest request{.from = options.from == "nodes" ? TableSource::kNodes : TableSource::kFiles,
                       .filter = options.filter,
                       .select = options.select,
                       .limit = options.limit,
                       .offset = options.offset,
                       .group_by = options.group_by,
                       .context = context};
  for (const std::string& order : options.order_by) {
    const auto ends_with = [&order](std::string_view end) {
      return order.size() > end.size() && order.compare(order.size() - end.size(), end.size(), end) == 0;
    };
    const bool descending = ends_with(" desc");
    const size_t cut = descending ? 5 : ends_with(" asc") ? 4 : 0;
    std::string column = order.substr(0, order.size() - cut);
    column.erase(0, column.find_first_not_of(' '));
    request.order_by.push_back({.column = std::move(column), .descending = descending});
  }
  if (options.count) request.aggregates.push_back({});
  for (const std::string& field : options.minima) request.aggregates.push_back({AggregateKind::kMin, field});
  for (const std::string& field : options.maxima) request.aggregates.push_back({AggregateKind::kMax, field});
  return request;
}

std::string CellOf(const FieldValue& value) {
  const Json json = FieldValueToJson(value);
  if (json.is_null()) return "-";
  return Excerpt(json.is_string() ? json.AsString() : json.Dump(), kCellCharacters);
}

void PrintTable(const TableResult& result) {
  std::vector<std::vector<std::string>> lines = {result.columns};
  for (const std::vector<FieldValue>& row : result.rows) {
    std::vector<std::string> cells;
    for (const FieldValue& value : row) cells.push_back(CellOf(value));
    lines.push_back(std::move(cells));
  }
  std::vector<size_t> widths(result.columns.size());
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(line[i]));
  }
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      if (i + 1 < line.size()) text.append(widths[i] - DisplayWidth(line[i]) + 2, ' ');
    }
    std::printf("%s\n", text.c_str());
  }
  std::fprintf(stderr, "%zu of %llu\n", result.rows.size(), static_cast<unsigned long long>(result.total));
}

}  // namespace

int RunQuery(const Options& options, const Context& context) {
  return ShowOf(
      options, [&](KnowledgeBase& kb) { return kb.Query(RequestOf(options, context)); }, TableJson, PrintTable);
}

}  // namespace ragtime::cli
