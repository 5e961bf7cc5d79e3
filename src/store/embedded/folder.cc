// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/folder.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <system_error>

#include "base/files.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kUnfinished[] = ".tmp";

std::string NameOf(int64_t id) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%08lld", static_cast<long long>(id));
  return name.data();
}

std::optional<int64_t> IdOf(const std::string& name) {
  int64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size() || NameOf(id) != name) return std::nullopt;
  return id;
}

Status RemoveAll(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? ErrnoError(error.value(), StrCat("removing ", path.string())) : Status();
}

// Makes the folder and, durably, its entry in the one above.
Status MakeFolder(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return Status();
  const std::filesystem::path parent = path.parent_path();
  if (!parent.empty() && parent != path) RAGTIME_RETURN_IF_ERROR(MakeFolder(parent));
  std::filesystem::create_directory(path, error);
  if (error) return ErrnoError(error.value(), StrCat("making the folder ", path.string()));
  return SyncFolder(parent);
}

}  // namespace

std::filesystem::path Folder::segment(int64_t id) const { return segments() / NameOf(id) / "segment.rag"; }

Status Folder::Create() const {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(segments(), error);
  if (error) return ErrnoError(error.value(), "looking for the current folder");
  return MakeFolder(path.lexically_normal());
}

Status Folder::WriteSegment(int64_t id, const SegmentParts& parts, const WriteProgress& progress) const {
  const std::filesystem::path finished = segments() / NameOf(id);
  const std::filesystem::path unfinished = finished.string() + kUnfinished;
  RAGTIME_RETURN_IF_ERROR(RemoveAll(unfinished));
  RAGTIME_RETURN_IF_ERROR(RemoveAll(finished));
  const Status written = [&]() -> Status {
    RAGTIME_RETURN_IF_ERROR(MakeFolder(unfinished));
    RAGTIME_RETURN_IF_ERROR(parts.WriteFile(unfinished / "segment.rag", progress));
    RAGTIME_RETURN_IF_ERROR(SyncFolder(unfinished));
    return RenameDurably(unfinished, finished);
  }();
  // On a full disk the half that was written is what stands in the way of everything else.
  if (!written.ok()) (void)RemoveAll(unfinished);
  return written;
}

Status Folder::RemoveSegment(int64_t id) const { return RemoveAll(segments() / NameOf(id)); }

Status Folder::Sweep(const std::set<int64_t>& known) const {
  std::error_code error;
  std::filesystem::directory_iterator entries(segments(), error);
  if (error) return ErrnoError(error.value(), StrCat("listing ", segments().string()));
  for (const std::filesystem::directory_iterator end; entries != end; entries.increment(error)) {
    const std::filesystem::path& path = entries->path();
    const std::string name = path.filename().string();
    const bool unfinished = path.extension() == kUnfinished && IdOf(path.stem().string());
    const std::optional<int64_t> id = IdOf(name);
    // What we cannot have made stays.
    if (unfinished || (id && !known.contains(*id))) RAGTIME_RETURN_IF_ERROR(RemoveAll(path));
    if (error) break;
  }
  return error ? ErrnoError(error.value(), StrCat("listing ", segments().string())) : Status();
}

}  // namespace ragtime
