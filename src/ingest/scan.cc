// SPDX-License-Identifier: Apache-2.0
#include "ingest/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

using FileIdentity = std::pair<dev_t, ino_t>;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that %XX at `i` stands for, if EscapeFilePath could have written it.
std::optional<unsigned char> EscapedByte(std::string_view text, size_t i) {
  if (i + 2 >= text.size() || text[i] != '%') return std::nullopt;
  const int high = HexDigit(text[i + 1]);
  const int low = HexDigit(text[i + 2]);
  if (high < 0 || low < 0) return std::nullopt;
  const int byte = high * 16 + low;
  if (byte < 0x80 && byte != '%') return std::nullopt;
  return static_cast<unsigned char>(byte);
}

std::string LowerExtension(const fs::path& path) {
  std::string extension = path.extension().string();
  if (!extension.empty()) extension.erase(0, 1);
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

class Scanner {
 public:
  Scanner(const Context& context, const ScanRequest& request, std::span<const Reader* const> readers)
      : context_(context), request_(request) {
    for (const Reader* reader : readers) {
      for (const std::string_view extension : reader->extensions()) readers_.emplace(extension, reader);
    }
  }

  Result<ScanResult> Run() {
    std::error_code error;
    root_ = fs::weakly_canonical(request_.root.empty() ? fs::path(".") : request_.root, error);
    if (error) return ErrnoError(error.value(), StrCat("finding the folder ", request_.root.string()));
    if (!request_.kb_folder.empty()) kb_folder_ = fs::weakly_canonical(request_.kb_folder, error).string();
    for (const fs::path& path : request_.paths) RAGTIME_RETURN_IF_ERROR(AddPath(path));
    AddLinks();
    AddSidecars();
    std::sort(result_.files.begin(), result_.files.end(),
              [](const ScannedFile& a, const ScannedFile& b) { return a.file_path < b.file_path; });
    result_.root = root_;
    return std::move(result_);
  }

 private:
  Status AddPath(const fs::path& given) {
    std::error_code error;
    const fs::path path = fs::canonical(given, error);
    if (error) return ErrnoError(error.value(), StrCat("reading ", given.string()));
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return ErrnoError(errno, StrCat("reading ", given.string()));
    if (IsInKnowledgeBase(path)) {
      return InvalidArgumentError(StrCat("a knowledge base cannot take up its own files: ", given.string()),
                                  "give a folder of documents");
    }
    scope_ = {path, S_ISDIR(info.st_mode), 0, {}};
    if (scope_.is_folder) {
      RAGTIME_RETURN_IF_ERROR(WalkFolder(path));
    } else if (!S_ISREG(info.st_mode)) {
      return InvalidArgumentError(StrCat(given.string(), " is neither a file nor a folder"), "give a file or a folder");
    } else if (FindReader(path) == nullptr) {
      Fail(path, InvalidArgumentError(StrCat("no reader takes files that end in \"", path.extension().string(), "\""),
                                      StrCat("give a file of a type that can be read: ", KnownTypes())));
    } else {
      AddFile(path, info);
      if (const fs::path sidecar = SidecarOf(path); fs::is_regular_file(sidecar, error)) sidecars_.insert(sidecar);
    }
    for (const auto& [type, files] : scope_.skipped) result_.skipped[type] += files;
    result_.scopes.push_back(scope_);
    return Status();
  }

  Status WalkFolder(const fs::path& top) {
    std::vector<fs::path> folders = {top};
    while (!folders.empty()) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      const fs::path folder = std::move(folders.back());
      folders.pop_back();
      struct stat info;
      // A folder mounted below itself would be walked for ever.
      if (::stat(folder.c_str(), &info) == 0 && !walked_.insert({info.st_dev, info.st_ino}).second) continue;
      if (folder.string() == kb_folder_) continue;
      std::error_code error;
      fs::directory_iterator entries(folder, error);
      for (; !error && entries != fs::directory_iterator(); entries.increment(error))
        AddEntry(entries->path(), folders);
      if (error) {
        result_.unreadable.push_back(folder);
        Fail(folder, ErrnoError(error.value(), "reading the folder"));
      }
    }
    return Status();
  }

  void AddEntry(const fs::path& path, std::vector<fs::path>& folders) {
    if (path.filename().native().starts_with('.')) return;
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0) return;  // Gone since the folder was read.
    if (S_ISDIR(info.st_mode)) {
      folders.push_back(path);
      return;
    }
    if (S_ISLNK(info.st_mode)) {
      links_.push_back(path);
      return;
    }
    if (S_ISREG(info.st_mode) && path.native().ends_with(kSidecarEnding)) {
      sidecars_.insert(path);
      return;
    }
    if (!S_ISREG(info.st_mode) || FindReader(path) == nullptr) {
      ++scope_.skipped[LowerExtension(path)];
      return;
    }
    AddFile(path, info);
  }

  void AddFile(const fs::path& path, const struct stat& info) {
    ++scope_.files;
    std::string file_path = EscapeFilePath(path.lexically_relative(root_).generic_string());
    if (!found_.insert(file_path).second) return;  // Below two of the given paths.
    identities_.insert({info.st_dev, info.st_ino});
    ScannedFile file;
    file.path = path;
    file.file_path = std::move(file_path);
    file.size_bytes = static_cast<uint64_t>(info.st_size);
    file.modified_time_ns = static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
    file.reader = FindReader(path);
    result_.files.push_back(std::move(file));
  }

  // Links come last, when all files that are there by themselves are known.
  void AddLinks() {
    std::sort(links_.begin(), links_.end());
    links_.erase(std::unique(links_.begin(), links_.end()), links_.end());
    for (const fs::path& link : links_) {
      std::error_code error;
      const fs::path target = fs::canonical(link, error);
      struct stat info;
      if (error || ::stat(target.c_str(), &info) != 0) {
        result_.warnings.push_back(
            {"link", {}, StrCat("the link ", NameOf(link), " leads to nothing; remove it or restore its target")});
      } else if (S_ISDIR(info.st_mode)) {
        result_.warnings.push_back({"link",
                                    {},
                                    StrCat("the link ", NameOf(link), " to a folder was not followed; give ",
                                           target.string(), " as a path to take it up")});
      } else if (S_ISREG(info.st_mode) && link.native().ends_with(kSidecarEnding)) {
        sidecars_.insert(link);
      } else if (!S_ISREG(info.st_mode) || FindReader(link) == nullptr) {
        ++result_.skipped[LowerExtension(link)];
      } else if (!IsInKnowledgeBase(target) && !identities_.contains({info.st_dev, info.st_ino})) {
        AddFile(link, info);
      }
    }
  }

  static fs::path SidecarOf(const fs::path& path) { return fs::path(path).concat(kSidecarEnding); }

  // One that stands beside no file that is read is a file of a type that no reader takes.
  void AddSidecars() {
    for (ScannedFile& file : result_.files) {
      auto sidecar = sidecars_.extract(SidecarOf(file.path));
      if (!sidecar.empty()) file.fields.sidecar = std::move(sidecar.value());
    }
    for (const fs::path& alone : sidecars_) ++result_.skipped[LowerExtension(alone)];
  }

  std::string NameOf(const fs::path& path) const {
    return EscapeFilePath(path.lexically_relative(root_).generic_string());
  }

  bool IsInKnowledgeBase(const fs::path& path) const {
    return !kb_folder_.empty() && IsAtOrBelow(path.native(), kb_folder_);
  }

  const Reader* FindReader(const fs::path& path) const {
    const auto found = readers_.find(LowerExtension(path));
    return found == readers_.end() ? nullptr : found->second;
  }

  std::string KnownTypes() const {
    std::string types;
    for (const auto& [extension, reader] : readers_) types += StrCat(types.empty() ? "" : ", ", extension);
    return types;
  }

  void Fail(const fs::path& path, Status status) { result_.failed.push_back({NameOf(path), std::move(status)}); }

  const Context& context_;
  const ScanRequest& request_;
  std::map<std::string, const Reader*, std::less<>> readers_;  // By extension.
  fs::path root_;
  std::string kb_folder_;
  ScanResult result_;
  ScannedScope scope_;  // The current one.
  std::set<std::string> found_;
  std::set<FileIdentity> identities_;
  std::set<FileIdentity> walked_;
  std::vector<fs::path> links_;
  std::set<fs::path> sidecars_;
};

}  // namespace

std::string EscapeFilePath(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string escaped;
  auto escape = [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  };
  for (size_t i = 0; i < path.size();) {
    const DecodedCharacter character = DecodeUtf8(path, i);
    if (!character.valid) {
      for (size_t k = 0; k < character.size_bytes; ++k) escape(path[i + k]);
    } else if (EscapedByte(path, i)) {
      escape('%');
    } else {
      escaped.append(path, i, character.size_bytes);
    }
    i += character.size_bytes;
  }
  return escaped;
}

std::string UnescapeFilePath(std::string_view file_path) {
  std::string path;
  for (size_t i = 0; i < file_path.size();) {
    if (const auto byte = EscapedByte(file_path, i)) {
      path += static_cast<char>(*byte);
      i += 3;
    } else {
      path += file_path[i++];
    }
  }
  return path;
}

bool IsAtOrBelow(const std::string& path, const std::string& folder) {
  if (!path.starts_with(folder)) return false;
  return path.size() == folder.size() || folder == "/" || path[folder.size()] == '/';
}

Result<ScanResult> Scan(const Context& context, const ScanRequest& request, std::span<const Reader* const> readers) {
  return Scanner(context, request, readers).Run();
}

}  // namespace ragtime
