// SPDX-License-Identifier: Apache-2.0
#include "store/remote_filter.h"

#include <algorithm>
#include <utility>

#include "store/remote_rows.h"
#include "store/row_filter.h"

namespace ragtime {
namespace {

// Documents that are named one by one in a request.
constexpr size_t kListedMax = 500;

FilterNode All() { return {.op = FilterOp::kAnd}; }
FilterNode None() { return {.op = FilterOp::kOr}; }
bool IsAll(const FilterNode& node) { return node.op == FilterOp::kAnd && node.operands.empty(); }
bool IsNone(const FilterNode& node) { return node.op == FilterOp::kOr && node.operands.empty(); }

// Without operands that change nothing, so that no server meets an empty list.
FilterNode Join(FilterOp op, std::vector<FilterNode> operands) {
  const auto decides = op == FilterOp::kAnd ? IsNone : IsAll;
  const auto idle = op == FilterOp::kAnd ? IsAll : IsNone;
  if (std::any_of(operands.begin(), operands.end(), decides)) return op == FilterOp::kAnd ? None() : All();
  std::erase_if(operands, idle);
  if (operands.size() == 1) return std::move(operands[0]);
  return {.op = op, .operands = std::move(operands)};
}

FilterNode Not(FilterNode node) {
  if (IsAll(node)) return None();
  if (IsNone(node)) return All();
  return {.op = FilterOp::kNot, .operands = {std::move(node)}};
}

FilterNode DocumentsIn(const std::vector<DocumentId>& ids) {
  FilterNode node{.op = FilterOp::kIn, .field = kDocumentColumn, .type = FieldType::kInt};
  for (const DocumentId id : ids) node.values.emplace_back(int64_t{id});
  return node;
}

struct Part {
  FilterNode node;  // Matches at least what is wanted.
  bool exact = true;
};

class Planner {
 public:
  Planner(const RemoteState& state, const Collection& nodes) : state_(state), nodes_(nodes) {}

  Part Plan(const FilterNode& node) const {
    if (!NamesRowField(node)) return PlanDocuments(node);
    switch (node.op) {
      case FilterOp::kAnd:
      case FilterOp::kOr: {
        Part joined;
        std::vector<FilterNode> operands;
        for (const FilterNode& operand : node.operands) {
          Part part = Plan(operand);
          joined.exact = joined.exact && part.exact;
          operands.push_back(std::move(part.node));
        }
        joined.node = Join(node.op, std::move(operands));
        return joined;
      }
      case FilterOp::kNot: {
        Part part = Plan(node.operands.at(0));
        if (!part.exact) return {All(), false};
        return {Not(std::move(part.node)), true};
      }
      default:
        if (nodes_.Translates(Filter::Of(node))) return {node, true};
        return {All(), false};
    }
  }

 private:
  Part PlanDocuments(const FilterNode& node) const {
    std::vector<DocumentId> matching;
    std::vector<DocumentId> others;
    for (const auto& [id, first] : state_.first_nodes()) {
      (MatchesDocument(node, *state_.FindDocument(id), state_.fields()) ? matching : others).push_back(id);
    }
    if (matching.empty()) return {None(), true};
    if (others.empty()) return {All(), true};
    if (matching.size() <= kListedMax) return {DocumentsIn(matching), true};
    if (others.size() <= kListedMax) return {Not(DocumentsIn(others)), true};
    if (HasColumns(node) && nodes_.Translates(Filter::Of(node))) return {node, true};
    return {All(), false};
  }

  // Whether the rows hold every field that it names as it is declared now.
  bool HasColumns(const FilterNode& node) const {
    if (node.op == FilterOp::kAnd || node.op == FilterOp::kOr || node.op == FilterOp::kNot) {
      return std::all_of(node.operands.begin(), node.operands.end(),
                         [this](const FilterNode& operand) { return HasColumns(operand); });
    }
    const auto has = [&node](const std::vector<FieldSpec>& specs) {
      return std::any_of(specs.begin(), specs.end(),
                         [&node](const FieldSpec& spec) { return spec.name == node.field && spec.type == node.type; });
    };
    return node.field != kDocumentColumn && has(nodes_.spec().columns) && has(state_.fields());
  }

  const RemoteState& state_;
  const Collection& nodes_;
};

}  // namespace

bool NamesRowField(const FilterNode& node) {
  return IsRowField(node.field) || std::any_of(node.operands.begin(), node.operands.end(), NamesRowField);
}

bool MatchesDocument(const FilterNode& node, const FileRecord& file, std::span<const FieldSpec> declared) {
  const auto holds = [&](const FilterNode& operand) { return MatchesDocument(operand, file, declared); };
  switch (node.op) {
    case FilterOp::kAnd:
      return std::all_of(node.operands.begin(), node.operands.end(), holds);
    case FilterOp::kOr:
      return std::any_of(node.operands.begin(), node.operands.end(), holds);
    case FilterOp::kNot:
      return !holds(node.operands.at(0));
    default:
      break;
  }
  if (IsFileField(node.field)) return MatchesLeaf(node, FileFieldValue(file, node.field));
  const bool known = std::any_of(declared.begin(), declared.end(), [&node](const FieldSpec& spec) {
    return spec.name == node.field && spec.type == node.type;
  });
  const auto value = file.fields.find(node.field);
  // A value of before the field was declared anew with another type counts as null.
  if (!known || value == file.fields.end() || !HasType(value->second, node.type)) return MatchesLeaf(node, {});
  return MatchesLeaf(node, value->second);
}

RemoteFilterPlan PlanRemoteFilter(const Filter& filter, const std::string& group, const RemoteState& state,
                                  const Collection& nodes) {
  Part part;
  if (!filter.matches_all()) part = Planner(state, nodes).Plan(filter.root());
  FilterNode of_group = All();
  if (!group.empty()) {
    of_group = {.op = FilterOp::kEqual, .field = kGroupColumn, .type = FieldType::kString, .values = {group}};
  }
  RemoteFilterPlan plan{.exact = part.exact, .of_documents = !NamesRowField(filter.root())};
  plan.filter = Filter::Of(Join(FilterOp::kAnd, {of_group, std::move(part.node)}));
  plan.none = IsNone(plan.filter.root());
  if (!plan.none && !plan.filter.matches_all() && !nodes.Translates(plan.filter)) {
    plan.filter = Filter::Of(of_group);
    plan.exact = false;
  }
  return plan;
}

}  // namespace ragtime
