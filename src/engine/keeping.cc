// SPDX-License-Identifier: Apache-2.0
#include "engine/keeping.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/edit_distance.h"
#include "base/str_cat.h"
#include "base/write_right.h"

namespace ragtime {
namespace {

constexpr size_t kNearPathsMax = 3;

std::string_view LastPart(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "a.md, b.md": those of the same name in another folder first, then those that are spelled alike.
std::string NearPaths(const std::string& path, const std::vector<FileRecord>& files) {
  std::vector<std::pair<size_t, std::string_view>> near;
  for (const FileRecord& file : files) {
    const size_t of_name = EditDistance(LastPart(path), file.file_name);
    const size_t distance = std::min(EditDistance(path, file.file_path), of_name * 2);
    if (distance <= std::max<size_t>(2, LastPart(path).size() / 2)) near.emplace_back(distance, file.file_path);
  }
  std::sort(near.begin(), near.end());
  std::string names;
  for (size_t i = 0; i < std::min(near.size(), kNearPathsMax); ++i) {
    names += StrCat(i == 0 ? "" : ", ", near[i].second);
  }
  return names;
}

// As file paths are written: no "./" in front, no "/" at the end, relative to the root.
std::string Normalized(const std::string& path, const std::string& root) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  std::string text = normal.generic_string();
  if (normal.is_absolute() && !root.empty()) text = normal.lexically_relative(root).generic_string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// The row that a user means: by its path, else by where it lies on disk.
const FileRecord* FindRow(const std::map<std::string_view, const FileRecord*>& rows, const std::string& path,
                          const std::string& root) {
  const auto exact = rows.find(path);
  if (exact != rows.end()) return exact->second;
  if (const auto found = rows.find(Normalized(path, root)); found != rows.end()) return found->second;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return nullptr;
  const auto on_disk = rows.find(Normalized(absolute.string(), root));
  return on_disk == rows.end() ? nullptr : on_disk->second;
}

}  // namespace

const FileRecord* FindFileRow(const std::vector<FileRecord>& files, const std::string& path, const std::string& root) {
  std::map<std::string_view, const FileRecord*> rows;
  for (const FileRecord& file : files) rows[file.file_path] = &file;
  return FindRow(rows, path, root);
}

std::string PathsLike(const std::string& path, const std::vector<FileRecord>& files, const std::string& root) {
  return NearPaths(Normalized(path, root), files);
}

Result<DeleteReport> DeletePaths(Store& store, const DeleteRequest& request, const Context& context) {
  if (request.paths.empty()) return InvalidArgumentError("no path to delete is given", "name files or folders");
  RAGTIME_RETURN_IF_ERROR(store.BeginWrite(request.lock_timeout_ms));
  const WriteRight right(store);
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store.OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, snapshot->Files());
  std::map<std::string_view, const FileRecord*> rows;
  for (const FileRecord& file : files) rows[file.file_path] = &file;

  std::set<const FileRecord*> gone;
  for (const std::string& path : request.paths) {
    const FileRecord* row = FindRow(rows, path, request.root);
    if (row == nullptr) {
      const std::string near = NearPaths(Normalized(path, request.root), files);
      return NotFoundError(StrCat("the knowledge base has no file or folder ", path,
                                  near.empty() ? std::string() : StrCat("; near it are ", near)),
                           "ragtime files lists them; nothing was deleted");
    }
    gone.insert(row);
    if (!row->is_dir) continue;
    const std::string prefix = row->file_path + "/";
    for (auto below = rows.lower_bound(prefix); below != rows.end() && below->first.starts_with(prefix); ++below) {
      gone.insert(below->second);
    }
  }
  DeleteReport report;
  WriteBatch batch;
  for (const FileRecord* row : gone) {
    if (row->is_dir) continue;  // It goes with the last file below it.
    batch.erased.push_back(row->id);
    report.file_paths.push_back(row->file_path);
    report.nodes += row->nodes;
  }
  std::sort(report.file_paths.begin(), report.file_paths.end());
  std::sort(batch.erased.begin(), batch.erased.end());
  report.files = report.file_paths.size();
  RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics before, snapshot->Statistics());
  RAGTIME_RETURN_IF_ERROR(store.Commit(context, std::move(batch)).status());
  RAGTIME_ASSIGN_OR_RETURN(const auto now, store.OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics after, now->Statistics());
  report.folders = before.folders - after.folders;
  return report;
}

Result<CompactReport> CompactStore(Store& store, int64_t lock_timeout_ms, std::map<std::string, std::string> settings,
                                   const Context& context) {
  CompactReport report;
  const auto statistics = [&store]() -> Result<StoreStatistics> {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store.OpenSnapshot());
    return snapshot->Statistics();
  };
  RAGTIME_RETURN_IF_ERROR(store.BeginWrite(lock_timeout_ms));
  {
    const WriteRight right(store);
    RAGTIME_ASSIGN_OR_RETURN(report.before, statistics());
    RAGTIME_RETURN_IF_ERROR(store.Compact(context));
    if (!settings.empty()) {
      RAGTIME_RETURN_IF_ERROR(store.Commit(context, {.settings = std::move(settings)}).status());
    }
  }
  // After the right was given back, the log is empty.
  RAGTIME_ASSIGN_OR_RETURN(report.after, statistics());
  return report;
}

}  // namespace ragtime
