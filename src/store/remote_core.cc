// SPDX-License-Identifier: Apache-2.0
#include "store/remote_core.h"

#include <utility>

#include "base/str_cat.h"
#include "wire/field_json.h"

namespace ragtime {

RemoteCore::RemoteCore(std::shared_ptr<CollectionServer> server, std::shared_ptr<SharedCatalog> catalog,
                       CollectionSpec spec, IndexSet indexes, std::filesystem::path state_folder)
    : server_(std::move(server)),
      catalog_(std::move(catalog)),
      spec_(std::move(spec)),
      words_(std::move(indexes), std::move(state_folder)) {}

Result<std::shared_ptr<const RemoteState>> RemoteCore::Refresh(const Context& context) {
  // What was known before the server is asked: another thread may get to know more meanwhile.
  const std::shared_ptr<const RemoteState> before = known();
  RAGTIME_ASSIGN_OR_RETURN(const SharedCounters counters, catalog_->ReadCounters(context));
  if (before != nullptr && before->counters() == counters) return before;
  if (before != nullptr && counters.version < before->counters().version) {
    return DataLossError(
        StrCat("the knowledge base in ", spec_.name, " on ", server_->name(), " is at commit ", counters.version,
               ", and was at ", before->counters().version, " before: the server has lost data"),
        "look into the server's own data folder; if it cannot be brought back, restart and ingest the documents again");
  }
  RAGTIME_ASSIGN_OR_RETURN(SharedState state, catalog_->ReadAll(context));
  RAGTIME_ASSIGN_OR_RETURN(auto now, RemoteState::Of(std::move(state)));
  Publish(now);
  return now;
}

std::shared_ptr<const RemoteState> RemoteCore::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

void RemoteCore::Publish(std::shared_ptr<const RemoteState> state) {
  const std::lock_guard lock(mutex_);
  if (known_ == nullptr || known_->counters().version < state->counters().version) known_ = std::move(state);
}

CollectionSpec RemoteCore::SpecOf(const std::vector<FieldSpec>& columns, Metric metric, size_t dimension) const {
  CollectionSpec spec = spec_;
  spec.metric = metric;
  spec.dimension = std::max<size_t>(dimension, 1);
  spec.columns = columns;
  return spec;
}

Result<std::shared_ptr<Collection>> RemoteCore::Nodes(const Context& context, const RemoteState& state) {
  if (!state.dimension()) return std::shared_ptr<Collection>();
  {
    const std::lock_guard lock(mutex_);
    if (nodes_ != nullptr) return nodes_;
  }
  RAGTIME_ASSIGN_OR_RETURN(const bool exists, server_->Exists(context, spec_.name));
  if (!exists) {
    return DataLossError(StrCat("the collection ", spec_.name, " with the nodes is missing on ", server_->name()),
                         "look into the server's own data folder, or ingest the documents into a new knowledge base");
  }
  RAGTIME_ASSIGN_OR_RETURN(const auto columns,
                           DecodeFieldSpecs(state.Setting(RemoteState::kColumnsSetting).value_or("")));
  RAGTIME_ASSIGN_OR_RETURN(auto nodes,
                           server_->OpenOrMake(context, SpecOf(columns, state.metric(), *state.dimension())));
  const std::lock_guard lock(mutex_);
  nodes_ = nodes;
  return nodes;
}

Result<std::shared_ptr<Collection>> RemoteCore::MakeNodes(const Context& context, const std::vector<FieldSpec>& columns,
                                                          Metric metric, size_t dimension) {
  RAGTIME_RETURN_IF_ERROR(server_->Drop(context, spec_.name));
  return server_->OpenOrMake(context, SpecOf(columns, metric, dimension));
}

Result<std::shared_ptr<const RemoteState>> RemoteCore::RefreshAndHold(const Context& context) {
  // Held before the server is asked: a commit meanwhile must not erase what the answer names. What Refresh gives is at
  // least as new as what is known now, and while an older version is held, its nodes stay.
  uint64_t floor = 0;
  {
    const std::lock_guard lock(mutex_);
    if (known_ != nullptr) floor = known_->counters().version;
    held_.insert(floor);
  }
  auto state = Refresh(context);
  const std::lock_guard lock(mutex_);
  if (state.ok()) held_.insert((*state)->counters().version);
  held_.erase(held_.find(floor));
  return state;
}

void RemoteCore::Release(uint64_t version) {
  const std::lock_guard lock(mutex_);
  held_.erase(held_.find(version));
}

std::optional<uint64_t> RemoteCore::OldestHeld() const {
  const std::lock_guard lock(mutex_);
  return held_.empty() ? std::nullopt : std::optional(*held_.begin());
}

}  // namespace ragtime
