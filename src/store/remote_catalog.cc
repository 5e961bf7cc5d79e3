// SPDX-License-Identifier: Apache-2.0
#include "store/remote_catalog.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <random>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "store/remote_log.h"
#include "wire/json.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

// The id of a row is sequence * 4096 + slot. A sequence is used for one attempt to commit, and never again.
constexpr int64_t kSlots = 4096;
constexpr int64_t kCommitSlot = 0;  // Its parts follow it.
constexpr int64_t kCheckpointSlot = 2048;
constexpr uint64_t kPartsMax = 2047;
constexpr int64_t kLeaseId = 1;

constexpr char kKindColumn[] = "kind";
enum Kind : int64_t { kCommit = 1, kCheckpoint = 2, kPart = 3, kLease = 4 };

constexpr size_t kRowsPerScan = 100;
constexpr int64_t kPollMs = 100;
// For what is done after the request itself: withdrawing, releasing.
constexpr auto kAfterwards = std::chrono::seconds(5);

int64_t IdOf(uint64_t sequence, int64_t slot) { return static_cast<int64_t>(sequence) * kSlots + slot; }

CollectionRow MakeRow(int64_t id, Kind kind, std::string payload) {
  // Servers of vectors want one, and not one of zeros.
  return {
      .id = id, .vector = {1, 0}, .text = "", .columns = {{kKindColumn, int64_t{kind}}}, .payload = std::move(payload)};
}

Filter KindIn(std::vector<FieldValue> kinds) {
  return Filter::Of({.op = FilterOp::kIn, .field = kKindColumn, .type = FieldType::kInt, .values = std::move(kinds)});
}

Context Afterwards() { return {.deadline = std::chrono::steady_clock::now() + kAfterwards}; }

// Another process may have taken this one for dead.
bool HoldsLease(const Context& context, const Collection& rows, const std::string& token) {
  const auto found = rows.Get(context, std::span(&kLeaseId, 1), false);
  if (!found.ok() || found->empty()) return false;
  const Result<Json> json = Json::Parse((*found)[0].payload);
  return json.ok() && (*json)["token"].AsString() == token;
}

std::string LeasePayload(const std::string& token, int64_t lease_ms) {
  const LeaseOwner owner = ThisProcess();
  Json json;
  json.Set("owner", owner.name).Set("machine", owner.machine).Set("process", owner.process);
  json.Set("token", token).Set("until_ms", UnixTimeMs() + lease_ms);
  return json.Dump();
}

}  // namespace

RemoteCatalog::RemoteCatalog(std::shared_ptr<CollectionServer> server, std::string collection,
                             std::filesystem::path lock_folder, RemoteCatalogLimits limits)
    : server_(std::move(server)), name_(std::move(collection)), lock_folder_(std::move(lock_folder)), limits_(limits) {}

RemoteCatalog::~RemoteCatalog() { ReleaseWrite(); }

Status RemoteCatalog::Damaged(std::string_view what) const {
  return DataLossError(StrCat("the collection ", name_, " on ", server_->name(), " is damaged: ", what),
                       "bring the server's data back from a backup, or ingest the documents into a new knowledge base");
}

void RemoteCatalog::Forget() {
  counters_ = {};
  settings_.clear();
  files_.clear();
  head_ = checkpoint_ = 0;
  log_commits_ = log_bytes_ = 0;
  log_ids_.clear();
}

// rows_ stays null where there is no such collection and `make` is false.
Status RemoteCatalog::Open(const Context& context, bool make) {
  if (rows_ != nullptr) return Status();
  if (!make) {
    RAGTIME_ASSIGN_OR_RETURN(const bool exists, server_->Exists(context, name_));
    if (!exists) return Status();
  }
  const CollectionSpec spec{.name = name_,
                            .dimension = 2,
                            .metric = Metric::kL2,
                            .columns = {{kKindColumn, FieldType::kInt, FieldIndex::kNone}}};
  RAGTIME_ASSIGN_OR_RETURN(rows_, server_->OpenOrMake(context, spec));
  return Status();
}

Result<std::vector<RemoteCatalog::Marker>> RemoteCatalog::ReadMarkers(const Context& context, int64_t after_id) const {
  std::vector<Marker> markers;
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const auto rows, rows_->Scan(context, KindIn({int64_t{kCommit}, int64_t{kCheckpoint}}),
                                                          after_id, kRowsPerScan, false));
    for (const CollectionRow& row : rows) {
      after_id = row.id;
      const size_t line = std::min(row.payload.find('\n'), row.payload.size());
      const Result<Json> json = Json::Parse(std::string_view(row.payload).substr(0, line));
      if (!json.ok()) return Damaged(StrCat("the row ", row.id, " cannot be read"));
      Marker marker{.sequence = static_cast<uint64_t>(row.id / kSlots),
                    .previous = static_cast<uint64_t>((*json)["previous"].AsInt()),
                    .parts = static_cast<uint64_t>((*json)["parts"].AsInt()),
                    .counters = CountersFromJson((*json)["counters"]),
                    .sum = (*json)["sum"].AsString(),
                    .is_checkpoint = row.id % kSlots == kCheckpointSlot};
      if (line < row.payload.size()) marker.content = row.payload.substr(line + 1);
      markers.push_back(std::move(marker));
    }
    if (rows.size() < kRowsPerScan) return markers;
  }
}

Result<std::string> RemoteCatalog::ReadContent(const Context& context, const Marker& marker) const {
  std::string content = marker.content;
  if (marker.parts > kPartsMax) return Damaged(StrCat("the commit ", marker.sequence, " has ", marker.parts, " parts"));
  if (marker.parts > 0) {
    const int64_t first = IdOf(marker.sequence, marker.is_checkpoint ? kCheckpointSlot : kCommitSlot) + 1;
    std::vector<int64_t> ids;
    for (uint64_t i = 0; i < marker.parts; ++i) ids.push_back(first + static_cast<int64_t>(i));
    RAGTIME_ASSIGN_OR_RETURN(auto rows, rows_->Get(context, ids, false));
    std::sort(rows.begin(), rows.end(), [](const CollectionRow& a, const CollectionRow& b) { return a.id < b.id; });
    for (const CollectionRow& row : rows) content += row.payload;
  }
  if (HashHex(content) != marker.sum) return Damaged(StrCat("the commit ", marker.sequence, " is not whole"));
  return content;
}

Status RemoteCatalog::ApplyContent(std::string_view content) {
  if (Status status = DecodeInto(content, settings_, files_); !status.ok()) return Damaged(status.message());
  return Status();
}

Status RemoteCatalog::ApplyMarker(const Context& context, const Marker& marker) {
  // The sum is of the content only. Version 0 is that of no knowledge base: one would be made over what is there.
  const SharedCounters& now = marker.counters;
  if (now.version == 0 || now.version < counters_.version || now.generation < counters_.generation ||
      now.next_document_id < counters_.next_document_id || now.next_node_id < counters_.next_node_id) {
    return Damaged(StrCat("the commit ", marker.sequence, " counts backwards"));
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::string content, ReadContent(context, marker));
  RAGTIME_RETURN_IF_ERROR(ApplyContent(content));
  counters_ = marker.counters;
  head_ = marker.sequence;
  ++log_commits_;
  log_bytes_ += content.size();
  const int64_t first = IdOf(marker.sequence, marker.is_checkpoint ? kCheckpointSlot : kCommitSlot);
  for (uint64_t i = 0; i <= marker.parts; ++i) log_ids_.push_back(first + static_cast<int64_t>(i));
  return Status();
}

// Everything anew: the newest checkpoint, and the chain of commits that leads from it to the newest one.
Status RemoteCatalog::Reload(const Context& context) {
  Forget();
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Marker> markers, ReadMarkers(context, 0));
  std::map<uint64_t, const Marker*> commits;
  const Marker* checkpoint = nullptr;
  for (const Marker& marker : markers) {
    if (marker.is_checkpoint) {
      checkpoint = &marker;
    } else {
      commits[marker.sequence] = &marker;
    }
  }
  std::vector<const Marker*> chain;
  const uint64_t start = checkpoint == nullptr ? 0 : checkpoint->sequence;
  for (uint64_t at = commits.empty() ? start : std::max(start, commits.rbegin()->first); at > start;) {
    const auto found = commits.find(at);
    if (found == commits.end()) return Damaged(StrCat("the commit ", at, " is missing"));
    chain.push_back(found->second);
    if (found->second->previous >= at) return Damaged(StrCat("the commit ", at, " follows a later one"));
    at = found->second->previous;
  }
  if (checkpoint != nullptr) {
    RAGTIME_RETURN_IF_ERROR(ApplyMarker(context, *checkpoint));
    checkpoint_ = checkpoint->sequence;
    log_commits_ = log_bytes_ = 0;
  }
  for (auto marker = chain.rbegin(); marker != chain.rend(); ++marker) {
    RAGTIME_RETURN_IF_ERROR(ApplyMarker(context, **marker));
  }
  return Status();
}

// What has come since the last look.
Status RemoteCatalog::Update(const Context& context) {
  RAGTIME_RETURN_IF_ERROR(Open(context, false));
  if (rows_ == nullptr) {
    Forget();
    return Status();
  }
  const auto update = [&]() -> Status {
    if (head_ == 0) return Reload(context);
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Marker> markers, ReadMarkers(context, IdOf(head_, 0) - 1));
    std::vector<const Marker*> commits;
    bool known = false;
    for (const Marker& marker : markers) {
      if (marker.sequence == head_) {
        known = true;
      } else if (!marker.is_checkpoint) {
        commits.push_back(&marker);
      }
    }
    if (!known) return Reload(context);
    if (commits.empty()) return Status();
    std::vector<const Marker*> chain;
    uint64_t at = commits.back()->sequence;
    for (auto commit = commits.rbegin(); commit != commits.rend(); ++commit) {
      if ((*commit)->sequence != at) continue;
      chain.push_back(*commit);
      at = (*commit)->previous;
    }
    if (at != head_) return Reload(context);
    for (auto marker = chain.rbegin(); marker != chain.rend(); ++marker) {
      RAGTIME_RETURN_IF_ERROR(ApplyMarker(context, **marker));
    }
    return Status();
  };
  Status status = update();
  if (status.code() == StatusCode::kDataLoss) {
    // Between its reading of the rows and of their parts a writer may have written a checkpoint and removed them.
    status = Reload(context);
  }
  if (status.code() == StatusCode::kNotFound) {
    // The collection has gone, and may be there again under another number.
    rows_ = nullptr;
    Forget();
    RAGTIME_RETURN_IF_ERROR(Open(context, false));
    return rows_ == nullptr ? Status() : Reload(context);
  }
  if (!status.ok()) Forget();
  return status;
}

Result<SharedCounters> RemoteCatalog::ReadCounters(const Context& context) {
  const std::lock_guard lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(Update(context));
  if (writing_ && unsure_ && rows_ != nullptr && head_ != 0) RAGTIME_RETURN_IF_ERROR(Write(context, counters_, ""));
  return counters_;
}

Result<SharedState> RemoteCatalog::ReadAll(const Context& context) {
  const std::lock_guard lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(Update(context));
  SharedState state{.counters = counters_, .settings = settings_};
  state.files.reserve(files_.size());
  for (const auto& [id, file] : files_) state.files.push_back(file);
  std::sort(state.files.begin(), state.files.end(),
            [](const FileRecord& a, const FileRecord& b) { return a.file_path < b.file_path; });
  return state;
}

Status RemoteCatalog::Apply(const Context& context, const SharedChange& change) {
  const std::lock_guard lock(mutex_);
  if (!writing_) return FailedPreconditionError("the catalog is not held for writing", "call AcquireWrite first");
  if (counters_.version + 1 != change.counters.version || head_ == 0) RAGTIME_RETURN_IF_ERROR(Update(context));
  if (counters_.version + 1 != change.counters.version) {
    return Status(StatusCode::kAborted,
                  StrCat("the knowledge base on ", server_->name(), " is at commit ", counters_.version, ", not ",
                         change.counters.version - 1, ": another process has written"),
                  "run the command again");
  }
  std::string content = EncodeChange(change);
  RAGTIME_RETURN_IF_ERROR(Write(context, change.counters, content));
  // What was just written can be read.
  (void)ApplyContent(content);
  CheckpointIfLong(context);
  return Status();
}

Status RemoteCatalog::PutMarker(const Context& context, const Marker& marker, std::string_view content) {
  const int64_t id = IdOf(marker.sequence, marker.is_checkpoint ? kCheckpointSlot : kCommitSlot);
  if (marker.parts > 0) {
    std::vector<CollectionRow> parts;
    int64_t part_id = id;
    for (const std::string_view piece : CutUtf8(content, limits_.row_bytes_max)) {
      parts.push_back(MakeRow(++part_id, kPart, std::string(piece)));
    }
    RAGTIME_RETURN_IF_ERROR(rows_->Put(context, parts));
  }
  Json json;
  json.Set("previous", marker.previous).Set("parts", marker.parts);
  json.Set("counters", CountersToJson(marker.counters)).Set("sum", marker.sum);
  std::string payload = json.Dump();
  if (marker.parts == 0 && !content.empty()) payload += StrCat("\n", content);
  const CollectionRow row = MakeRow(id, marker.is_checkpoint ? kCheckpoint : kCommit, std::move(payload));
  return rows_->Put(context, std::span(&row, 1));
}

Status RemoteCatalog::Write(const Context& context, const SharedCounters& counters, std::string content) {
  RAGTIME_RETURN_IF_ERROR(Open(context, true));
  Marker marker{.sequence = next_sequence_++, .previous = head_, .counters = counters, .sum = HashHex(content)};
  if (content.size() > limits_.row_bytes_max) marker.parts = CutUtf8(content, limits_.row_bytes_max).size();
  if (marker.parts > kPartsMax) {
    return InvalidArgumentError(StrCat("a commit changes too much at once: ", content.size(), " bytes of the catalog"),
                                "commit fewer documents at once");
  }
  unsure_ = true;
  Status status = PutMarker(context, marker, content);
  if (!status.ok()) {
    // Only the answer may have been lost.
    const int64_t id = IdOf(marker.sequence, kCommitSlot);
    const auto found = rows_->Get(Afterwards(), std::span(&id, 1), false);
    if (found.ok() && !found->empty()) status = Status();
  }
  if (status.ok()) status = CheckAlone(context, marker);
  if (!status.ok()) {
    Withdraw(marker);
    return status;
  }
  unsure_ = false;
  counters_ = counters;
  head_ = marker.sequence;
  ++log_commits_;
  log_bytes_ += content.size();
  for (uint64_t i = 0; i <= marker.parts; ++i) log_ids_.push_back(IdOf(marker.sequence, static_cast<int64_t>(i)));
  return Status();
}

// Whoever sees another's commit behind the same head withdraws, so that no two are acknowledged.
Status RemoteCatalog::CheckAlone(const Context& context, const Marker& marker) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Marker> markers,
                           ReadMarkers(context, marker.previous == 0 ? 0 : IdOf(marker.previous, kCommitSlot)));
  bool found = false;
  for (const Marker& other : markers) {
    if (other.is_checkpoint || withdrawn_.contains(other.sequence)) continue;
    found = found || other.sequence == marker.sequence;
    if (other.sequence == marker.sequence) continue;
    return Status(StatusCode::kAborted,
                  StrCat("another process writes the same knowledge base on ", server_->name(), " at the same time"),
                  "let one process write at a time, and run the command again");
  }
  return found ? Status() : UnavailableError(StrCat(server_->name(), " has lost a row that it acknowledged"));
}

// It must never count. Where the server cannot be reached now, the empty commit of the next ReadCounters sees to that.
void RemoteCatalog::Withdraw(const Marker& marker) {
  withdrawn_.insert(marker.sequence);
  std::vector<int64_t> ids;
  for (uint64_t i = 0; i <= marker.parts; ++i) ids.push_back(IdOf(marker.sequence, static_cast<int64_t>(i)));
  if (!rows_->Erase(Afterwards(), ids).ok()) log_ids_.insert(log_ids_.end(), ids.begin(), ids.end());
}

// After a commit that has succeeded: what fails here fails again, or not, after the next one.
void RemoteCatalog::CheckpointIfLong(const Context& context) {
  if (log_commits_ <= limits_.log_commits_max && log_bytes_ <= limits_.log_bytes_max) return;
  const std::string content = EncodeState(settings_, files_);
  // A large state is not written anew for a few small commits.
  if (log_commits_ <= limits_.log_commits_max && log_bytes_ < content.size()) return;
  Marker marker{.sequence = head_, .previous = head_, .counters = counters_, .sum = HashHex(content)};
  marker.is_checkpoint = true;
  if (content.size() > limits_.row_bytes_max) marker.parts = CutUtf8(content, limits_.row_bytes_max).size();
  if (marker.parts >= kPartsMax || !PutMarker(context, marker, content).ok()) return;
  checkpoint_ = head_;
  log_commits_ = log_bytes_ = 0;
  // The newest commit stays: readers who know it look for what comes after it.
  std::vector<int64_t> superfluous;
  std::vector<int64_t> kept;
  for (const int64_t id : log_ids_) (id < IdOf(head_, 0) ? superfluous : kept).push_back(id);
  if (!rows_->Erase(context, superfluous).ok()) return;
  log_ids_ = std::move(kept);
  for (uint64_t i = 0; i <= marker.parts; ++i) {
    log_ids_.push_back(IdOf(head_, kCheckpointSlot + static_cast<int64_t>(i)));
  }
}

// Rows that a dead writer has left and nothing refers to.
Status RemoteCatalog::SweepAfterTheDead(const Context& context) {
  const std::set<int64_t> known(log_ids_.begin(), log_ids_.end());
  std::vector<int64_t> left;
  for (int64_t last = kLeaseId;;) {
    RAGTIME_ASSIGN_OR_RETURN(const auto rows, rows_->Scan(context, Filter(), last, kRowsPerScan, false));
    for (const CollectionRow& row : rows) {
      last = row.id;
      next_sequence_ = std::max(next_sequence_, static_cast<uint64_t>(row.id / kSlots) + 1);
      if (!known.contains(row.id)) left.push_back(row.id);
    }
    if (rows.size() < kRowsPerScan) break;
  }
  return left.empty() ? Status() : rows_->Erase(context, left);
}

Status RemoteCatalog::TakeLease(const Context& context, int64_t timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::random_device random;
  const std::string token = HashHex(StrCat(random(), " ", random(), " ", random(), " ", UnixTimeMs()));
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(auto rows, rows_->Get(context, std::span(&kLeaseId, 1), false));
    std::string holder;
    int64_t pause_ms = kPollMs;
    if (!rows.empty()) {
      const Result<Json> json = Json::Parse(rows[0].payload);
      if (json.ok() && (*json)["token"].AsString() == token) {
        token_ = token;
        return Status();
      }
      const LeaseOwner owner{.name = json.ok() ? (*json)["owner"].AsString() : "",
                             .machine = json.ok() ? (*json)["machine"].AsString() : "",
                             .process = json.ok() ? (*json)["process"].AsInt() : 0};
      // One of this object's own that could not be given back is free.
      const bool own = json.ok() && (*json)["token"].AsString() == token_;
      const int64_t until_ms = json.ok() ? (*json)["until_ms"].AsInt() : 0;
      const int64_t now_ms = UnixTimeMs();
      if (!own && until_ms > now_ms && MayBeAlive(owner)) {
        holder = owner.name;
        pause_ms = std::min(kPollMs, until_ms - now_ms);
      }
      unsure_ = true;  // Somebody has not given it back.
    }
    if (holder.empty()) {
      const CollectionRow row = MakeRow(kLeaseId, kLease, LeasePayload(token, limits_.lease_ms));
      RAGTIME_RETURN_IF_ERROR(rows_->Put(context, std::span(&row, 1)));
      continue;  // Whoever wrote last has it.
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return FailedPreconditionError(StrCat("the knowledge base on ", server_->name(), " is being written by ", holder),
                                     "wait until it is done, or give a longer --lock-timeout");
    }
    RAGTIME_RETURN_IF_ERROR(SleepWithin(context, pause_ms));
  }
}

Status RemoteCatalog::AcquireWrite(const Context& context, int64_t timeout_ms) {
  const std::lock_guard lock(mutex_);
  if (writing_) return Status();
  if (!lock_folder_.empty()) {
    std::error_code error;
    std::filesystem::create_directories(lock_folder_, error);
    const std::string file = HashHex(StrCat(server_->name(), " ", name_)) + ".lock";
    if (!error) {
      RAGTIME_ASSIGN_OR_RETURN(WriterLock taken, WriterLock::Take(lock_folder_ / file, timeout_ms));
      lock_.emplace(std::move(taken));
    }
  }
  unsure_ = false;
  const Status status = [&]() -> Status {
    RAGTIME_RETURN_IF_ERROR(Open(context, true));
    RAGTIME_RETURN_IF_ERROR(TakeLease(context, timeout_ms));
    RAGTIME_RETURN_IF_ERROR(Update(context));
    // A request of a writer before may still be under way: no sequence of it is used again.
    next_sequence_ = std::max(next_sequence_, head_ + 1) + std::random_device()() % 65536;
    return unsure_ ? SweepAfterTheDead(context) : Status();
  }();
  if (!status.ok()) {
    lock_.reset();
    return status;
  }
  writing_ = true;
  renewal_ = std::jthread([rows = rows_, token = token_, lease_ms = limits_.lease_ms](const std::stop_token& stop) {
    const Context waiting{.stop = stop};
    while (SleepWithin(waiting, std::max<int64_t>(lease_ms / 3, 1000)).ok()) {
      const Context bounded{.deadline = std::chrono::steady_clock::now() + kAfterwards, .stop = stop};
      if (!HoldsLease(bounded, *rows, token)) continue;
      const CollectionRow row = MakeRow(kLeaseId, kLease, LeasePayload(token, lease_ms));
      (void)rows->Put(bounded, std::span(&row, 1));
    }
  });
  return Status();
}

void RemoteCatalog::ReleaseWrite() {
  const std::lock_guard lock(mutex_);
  if (!writing_) return;
  writing_ = false;
  renewal_ = std::jthread();  // Asks it to stop, and waits.
  // A lease that is left tells the next writer that something may be unfinished.
  if (rows_ != nullptr && !unsure_ && HoldsLease(Afterwards(), *rows_, token_)) {
    (void)rows_->Erase(Afterwards(), std::span(&kLeaseId, 1));
  }
  lock_.reset();
}

}  // namespace ragtime
