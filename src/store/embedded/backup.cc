// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/backup.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "store/embedded/embedded_snapshot.h"
#include "store/embedded/verify.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// Merges that may come between reading the manifest and opening what it names.
constexpr int kAttemptsMax = 50;

// Removes an unfinished copy.
class Unfinished {
 public:
  explicit Unfinished(fs::path path) : path_(std::move(path)) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  void Finished() { path_.clear(); }

 private:
  fs::path path_;
};

Status CheckTarget(const CopyRequest& request) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(request.target, error);
  if (status.type() == fs::file_type::not_found) return Status();
  if (request.into_empty && fs::is_directory(status) && fs::is_empty(request.target, error) && !error) return Status();
  return AlreadyExistsError(StrCat(request.target.string(), " exists already"), "choose a name that is still free");
}

// A new folder beside the target, so that one rename brings the copy to its name.
Result<fs::path> MakeUnfinished(const fs::path& target) {
  std::error_code error;
  for (int n = 0; n < 1000; ++n) {
    fs::path path = StrCat(target.string(), ".tmp-", ::getpid(), "-", n);
    const bool made = fs::create_directory(path, error);
    if (error) return ErrnoError(error.value(), StrCat("making the folder ", path.string()));
    if (made) return path;
  }
  return AlreadyExistsError(StrCat("too many unfinished copies lie beside ", target.string()), "remove them");
}

Status LinkSegment(const fs::path& from, const fs::path& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return Status();
  if (errno == ENOENT) return NotFoundError(StrCat(from.string(), " is not there"));
  return ErrnoError(errno, StrCat("linking ", from.string(), " to ", to.string()))
      .WithRemedy("hard links need one file system that has them; leave --link out");
}

class Copy {
 public:
  Copy(const Context& context, const ViewSource& source, const CopyRequest& request, Folder to)
      : context_(context), source_(source), request_(request), to_(std::move(to)) {}

  Result<StoreStatistics> Run() {
    RAGTIME_ASSIGN_OR_RETURN(const auto catalog, Catalog::Open(source_.folder.catalog(), Access::kRead));
    RAGTIME_RETURN_IF_ERROR(to_.Create());
    for (int attempt = 0;; ++attempt) {
      RAGTIME_ASSIGN_OR_RETURN(const int64_t version, catalog->DataVersion());
      const Status status = TakeState(*catalog);
      if (status.code() != StatusCode::kNotFound || attempt == kAttemptsMax) {
        RAGTIME_RETURN_IF_ERROR(status);
        break;
      }
      // A writer has merged a segment away between our reading its name and our opening it.
      RAGTIME_ASSIGN_OR_RETURN(const int64_t version_now, catalog->DataVersion());
      if (version_now == version) return status;
    }
    RAGTIME_RETURN_IF_ERROR(WriteSegments());
    if (request_.new_generation) RAGTIME_RETURN_IF_ERROR(RaiseGeneration());
    return Check();
  }

 private:
  // The catalog, and every segment that it names held: mapped files stay readable, and links stay, when a writer
  // removes the names.
  Status TakeState(Catalog& catalog) {
    RAGTIME_ASSIGN_OR_RETURN(const auto transaction, catalog.BeginRead());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, catalog.ReadSegments());
    for (const SegmentRecord& record : records) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      if (record.in_tail || held_.contains(record.id)) continue;
      if (request_.link) {
        RAGTIME_RETURN_IF_ERROR(MakeSegmentFolder(record.id));
        RAGTIME_RETURN_IF_ERROR(LinkSegment(source_.folder.segment(record.id), to_.segment(record.id)));
      } else {
        RAGTIME_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(source_.folder.segment(record.id)));
        mapped_.emplace_back(record.id, std::move(file));
      }
      held_.insert(record.id);
    }
    named_.clear();
    for (const SegmentRecord& record : records) {
      if (!record.in_tail) named_.insert(record.id);
    }
    return catalog.CopyTo(to_.catalog());
  }

  Status MakeSegmentFolder(int64_t id) const {
    std::error_code error;
    fs::create_directory(to_.segment(id).parent_path(), error);
    return error ? ErrnoError(error.value(), StrCat("making the folder ", to_.segment(id).parent_path().string()))
                 : Status();
  }

  Status WriteSegments() {
    for (const auto& [id, file] : mapped_) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      if (!named_.contains(id)) continue;
      RAGTIME_RETURN_IF_ERROR(MakeSegmentFolder(id));
      RAGTIME_RETURN_IF_ERROR(WriteFileDurably(to_.segment(id), file.bytes()));
    }
    for (const int64_t id : named_) RAGTIME_RETURN_IF_ERROR(SyncFolder(to_.segment(id).parent_path()));
    // What an attempt before the last one linked, and nobody names.
    RAGTIME_RETURN_IF_ERROR(to_.Sweep(named_));
    RAGTIME_RETURN_IF_ERROR(SyncFolder(to_.segments()));
    return SyncFolder(to_.root());
  }

  // Counters grow by one with a commit; this one is far above any that a counter reaches, and another one each time.
  // It stays below 2^53, the largest integer that every reader of JSON keeps.
  Status RaiseGeneration() {
    RAGTIME_ASSIGN_OR_RETURN(const auto catalog, Catalog::Open(to_.catalog(), Access::kWrite));
    RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog->BeginWrite());
    RAGTIME_ASSIGN_OR_RETURN(CatalogState state, catalog->ReadState());
    std::random_device random;
    const uint64_t drawn = static_cast<uint64_t>(std::max<int64_t>(UnixTimeMs(), 0)) * 1024 + random() % 1024;
    state.generation = std::max(state.generation + 1, drawn);
    RAGTIME_RETURN_IF_ERROR(catalog->WriteState(state));
    RAGTIME_RETURN_IF_ERROR(transaction.Commit());
    return catalog->Checkpoint();
  }

  Result<StoreStatistics> Check() const {
    ViewSource copy = source_;
    copy.folder = to_;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Damage> damages, VerifyFolder(context_, copy));
    StoreStatistics statistics;
    if (damages.empty()) {
      RAGTIME_ASSIGN_OR_RETURN(const auto catalog, Catalog::Open(to_.catalog(), Access::kRead));
      RAGTIME_ASSIGN_OR_RETURN(auto view, LoadView(*catalog, copy, nullptr));
      RAGTIME_ASSIGN_OR_RETURN(
          statistics, EmbeddedSnapshot(std::move(view), nullptr, std::make_shared<ViewSource>(copy)).Statistics());
    }
    // Left by the reading; a log that lies there must not keep others from reading the copy without writing to it.
    std::error_code ignored;
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(to_.catalog().string() + suffix, ignored);
    if (damages.empty()) return statistics;
    return DataLossError(StrCat("the copy would be damaged: ", damages.front().message),
                         "run ragtime verify on the source to see what of it is whole");
  }

  const Context& context_;
  const ViewSource& source_;
  const CopyRequest& request_;
  const Folder to_;
  std::set<int64_t> held_;
  std::set<int64_t> named_;  // By the catalog that was copied.
  std::vector<std::pair<int64_t, MappedFile>> mapped_;
};

}  // namespace

Result<StoreStatistics> CopyFolder(const Context& context, const ViewSource& source, const CopyRequest& request) {
  std::error_code error;
  CopyRequest absolute = request;
  absolute.target = fs::absolute(request.target, error).lexically_normal();
  // "DIR/" names DIR.
  if (!absolute.target.has_filename()) absolute.target = absolute.target.parent_path();
  RAGTIME_RETURN_IF_ERROR(CheckTarget(absolute));
  RAGTIME_ASSIGN_OR_RETURN(const fs::path folder, MakeUnfinished(absolute.target));
  Unfinished unfinished(folder);
  RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics statistics, Copy(context, source, absolute, Folder(folder)).Run());
  RAGTIME_RETURN_IF_ERROR(CheckTarget(absolute));
  RAGTIME_RETURN_IF_ERROR(RenameDurably(folder, absolute.target));
  unfinished.Finished();
  return statistics;
}

}  // namespace ragtime
