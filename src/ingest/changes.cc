// SPDX-License-Identifier: Apache-2.0
#include "ingest/changes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/files.h"
#include "base/hash.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// A file written twice within the resolution of its time stamp looks unchanged; FAT has the coarsest with 2 s.
constexpr int64_t kTimeStampSlackMs = 2000;
// Larger files are hashed one after the other, so that memory stays bounded.
constexpr uint64_t kParallelHashBytesMax = 32 << 20;

bool LooksUnchanged(const ScannedFile& file, const FileRecord& row) {
  return file.size_bytes == row.file_size && file.modified_time_ns == row.modified_time_ns &&
         file.modified_time_ns / 1'000'000 + kTimeStampSlackMs < row.create_time_ms;
}

// The hash of each file's content; "" where it cannot be read, which the reading stage will find, too.
std::vector<std::string> HashFiles(const Context& context, const std::vector<const ScannedFile*>& files,
                                   uint64_t file_bytes_max, ThreadPool& pool) {
  std::vector<std::string> hashes(files.size());
  auto hash = [&](size_t i) {
    if (!context.Check().ok() || files[i]->size_bytes > file_bytes_max) return;
    const Result<std::string> bytes = ReadFile(files[i]->path, file_bytes_max);
    if (bytes.ok()) hashes[i] = HashHex(*bytes);
  };
  pool.ParallelFor(files.size(), [&](size_t i) {
    if (files[i]->size_bytes <= kParallelHashBytesMax) hash(i);
  });
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i]->size_bytes > kParallelHashBytesMax) hash(i);
  }
  return hashes;
}

DocumentWrite RowUpdate(FileRecord row, const ScannedFile& file) {
  row.file_path = file.file_path;
  row.file_name = file.file_path.substr(file.file_path.rfind('/') + 1);
  row.modified_time_ns = file.modified_time_ns;
  DocumentWrite write;
  write.file = std::move(row);
  write.keep_id = true;
  return write;
}

class Comparison {
 public:
  Comparison(const Context& context, const ScanResult& scan, const std::vector<FileRecord>& known,
             const FieldReader& fields, uint64_t file_bytes_max, ThreadPool& pool)
      : context_(context), scan_(scan), known_(known), fields_(fields), file_bytes_max_(file_bytes_max), pool_(pool) {}

  Result<Changes> Run() {
    for (const FileRecord& row : known_) {
      if (!row.is_dir) rows_.emplace(row.file_path, &row);
    }
    CompareKnownFiles();
    FindMovedFiles();
    RAGTIME_RETURN_IF_ERROR(context_.Check());  // Hashes are missing then.
    for (const FileRecord* row : vanished_) {
      if (!origins_.contains(row)) changes_.erased.push_back(row->id);
    }
    for (const ScannedFile* file : new_) {
      if (!moved_.contains(file)) changes_.to_read.push_back({*file, std::nullopt});
    }
    std::sort(changes_.to_read.begin(), changes_.to_read.end(),
              [](const FileToRead& a, const FileToRead& b) { return a.file.file_path < b.file.file_path; });
    std::sort(changes_.row_updates.begin(), changes_.row_updates.end(),
              [](const DocumentWrite& a, const DocumentWrite& b) { return a.file.file_path < b.file.file_path; });
    return std::move(changes_);
  }

 private:
  void CompareKnownFiles() {
    std::vector<const ScannedFile*> doubtful;
    HashMetas();
    for (const ScannedFile& file : scan_.files) {
      const auto row = rows_.find(file.file_path);
      if (row == rows_.end()) {
        new_.push_back(&file);
      } else if (row->second->status != FileStatus::kReady || row->second->file_type != file.reader->type() ||
                 row->second->meta_hash != MetaOf(file)) {
        changes_.to_read.push_back({file, *row->second});
      } else if (LooksUnchanged(file, *row->second)) {
        ++changes_.unchanged;
      } else {
        doubtful.push_back(&file);
      }
    }
    const std::vector<std::string> hashes = HashFiles(context_, doubtful, file_bytes_max_, pool_);
    for (size_t i = 0; i < doubtful.size(); ++i) {
      const FileRecord& row = *rows_.find(doubtful[i]->file_path)->second;
      if (hashes[i].empty() || hashes[i] != row.content_hash) {
        changes_.to_read.push_back({*doubtful[i], row});
        continue;
      }
      ++changes_.unchanged;
      if (row.modified_time_ns != doubtful[i]->modified_time_ns)
        changes_.row_updates.push_back(RowUpdate(row, *doubtful[i]));
    }
  }

  // Sidecars are small, and all are read: their times are not kept.
  void HashMetas() {
    metas_.resize(scan_.files.size());
    if (fields_.declared().empty() && fields_.made_by().empty()) return;
    pool_.ParallelFor(metas_.size(), [&](size_t i) {
      if (context_.Check().ok()) metas_[i] = fields_.MetaHash(scan_.files[i].fields);
    });
  }
  const std::string& MetaOf(const ScannedFile& file) const {
    return metas_[static_cast<size_t>(&file - scan_.files.data())];
  }

  // A new file with the content of one that is gone is that file at another place, and keeps its id and nodes.
  void FindMovedFiles() {
    FindVanishedFiles();
    std::set<uint64_t> sizes;
    for (const FileRecord* row : vanished_) {
      if (row->status != FileStatus::kReady || row->content_hash.empty()) continue;
      sizes.insert(row->file_size);
      by_hash_[row->content_hash].push_back(row);
    }
    std::vector<const ScannedFile*> candidates;
    for (const ScannedFile* file : new_) {
      if (sizes.contains(file->size_bytes)) candidates.push_back(file);
    }
    const std::vector<std::string> hashes = HashFiles(context_, candidates, file_bytes_max_, pool_);
    for (size_t i = 0; i < candidates.size(); ++i) {
      const FileRecord* const origin = FindOrigin(*candidates[i], hashes[i]);
      if (origin == nullptr) continue;
      changes_.row_updates.push_back(RowUpdate(*origin, *candidates[i]));
      if (origin->meta_hash != MetaOf(*candidates[i])) {
        changes_.to_read.push_back({*candidates[i], changes_.row_updates.back().file});
      }
      ++changes_.moved;
      origins_.insert(origin);
      moved_.insert(candidates[i]);
    }
  }

  void FindVanishedFiles() {
    std::set<std::string_view> present;
    for (const ScannedFile& file : scan_.files) present.insert(file.file_path);
    for (const auto& [file_path, row] : rows_) {
      if (present.contains(file_path)) continue;
      const std::string path = (scan_.root / UnescapeFilePath(file_path)).lexically_normal().native();
      auto below = [&](const fs::path& folder) { return IsAtOrBelow(path, folder.native()); };
      const bool in_scope = std::any_of(scan_.scopes.begin(), scan_.scopes.end(),
                                        [&](const ScannedScope& scope) { return below(scope.path); });
      if (in_scope && std::none_of(scan_.unreadable.begin(), scan_.unreadable.end(), below)) vanished_.push_back(row);
    }
  }

  // Of several, one that has the file's name. Only the first 100 are looked at: a thousand empty files that move may
  // change places.
  const FileRecord* FindOrigin(const ScannedFile& file, const std::string& hash) const {
    const auto rows = by_hash_.find(hash);
    if (rows == by_hash_.end()) return nullptr;
    const FileRecord* best = nullptr;
    size_t looked_at = 0;
    for (const FileRecord* row : rows->second) {
      if (origins_.contains(row) || row->file_type != file.reader->type()) continue;
      if (file.file_path == row->file_name || file.file_path.ends_with("/" + row->file_name)) return row;
      if (best == nullptr) best = row;
      if (++looked_at == 100) break;
    }
    return best;
  }

  const Context& context_;
  const ScanResult& scan_;
  const std::vector<FileRecord>& known_;
  const FieldReader& fields_;
  const uint64_t file_bytes_max_;
  ThreadPool& pool_;
  std::map<std::string_view, const FileRecord*> rows_;  // By file_path.
  std::vector<std::string> metas_;                      // meta_hash of each of scan_.files.
  std::vector<const ScannedFile*> new_;
  std::vector<const FileRecord*> vanished_;
  std::unordered_map<std::string_view, std::vector<const FileRecord*>> by_hash_;  // Of vanished_.
  std::set<const FileRecord*> origins_;                                           // Of vanished_, those that moved ...
  std::set<const ScannedFile*> moved_;                                            // ... and what they are now, of new_.
  Changes changes_;
};

}  // namespace

Result<Changes> FindChanges(const Context& context, const ScanResult& scan, const std::vector<FileRecord>& known,
                            const FieldReader& fields, uint64_t file_bytes_max, ThreadPool& pool) {
  return Comparison(context, scan, known, fields, file_bytes_max, pool).Run();
}

}  // namespace ragtime
