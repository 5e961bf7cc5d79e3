// SPDX-License-Identifier: Apache-2.0
#include "model/llama/state_folder.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

static_assert(std::endian::native == std::endian::little);

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'R', 'A', 'G', 'K', 'V', '\r', '\n', '\x1A'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kTokensMax = 1 << 24;
constexpr char kExtension[] = ".kv";

// The first bytes of a file. Behind it stand the tokens, from kStateAlignment on the state.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t start;
  uint32_t tokens;
  uint32_t reserved;
  char fingerprint[32];
  uint64_t state_bytes;
  uint64_t state_hash;
  uint64_t head_hash;  // Of this header, with 0 here, and of the tokens.
};
static_assert(sizeof(Header) == 80);
constexpr size_t kStateAlignment = 64;

size_t StateOffset(size_t tokens) {
  return (sizeof(Header) + tokens * sizeof(Token) + kStateAlignment - 1) / kStateAlignment * kStateAlignment;
}

uint64_t HeadHash(Header header, std::span<const std::byte> tokens) {
  header.head_hash = 0;
  const uint64_t parts[2] = {Hash64(std::as_bytes(std::span(&header, 1))), Hash64(tokens)};
  return Hash64(std::as_bytes(std::span(parts)));
}

enum class Found { kOurs, kOther, kForeign, kDamaged };

// What a file is, by its first bytes only. Fills `header` and `tokens` of one of ours.
Found Look(const fs::path& path, std::string_view fingerprint, Header& header, std::vector<Token>& tokens) {
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header))) return Found::kForeign;
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return Found::kForeign;
  // Another version's are as good as another model's.
  if (header.version != kVersion || std::string_view(header.fingerprint, 32) != fingerprint) return Found::kOther;
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error || header.tokens > kTokensMax || header.start >= header.tokens || size < StateOffset(header.tokens) ||
      size - StateOffset(header.tokens) != header.state_bytes) {
    return Found::kDamaged;
  }
  tokens.resize(header.tokens);
  if (!file.read(reinterpret_cast<char*>(tokens.data()), static_cast<std::streamsize>(tokens.size() * sizeof(Token))) ||
      HeadHash(header, std::as_bytes(std::span(tokens))) != header.head_hash) {
    return Found::kDamaged;
  }
  return Found::kOurs;
}

}  // namespace

StateFolder::StateFolder(fs::path folder, std::string fingerprint, Warn warn)
    : folder_(std::move(folder)), fingerprint_(std::move(fingerprint)), warn_(std::move(warn)) {}

fs::path StateFolder::PathOf(std::span<const Token> tokens, size_t start) const {
  const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  return folder_ / (HashHex(StrCat(fingerprint_, " ", start, " ", HashHex(bytes))) + kExtension);
}

std::vector<StoredState> StateFolder::List() {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    uint64_t size_bytes;
  };
  std::vector<Entry> entries;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() != kExtension) continue;
    const fs::file_time_type used = entry.last_write_time(error);
    const uint64_t size = entry.file_size(error);
    if (!error) entries.push_back({entry.path(), used, size});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used != b.used ? a.used < b.used : a.path < b.path; });
  std::vector<StoredState> states;
  others_.clear();
  other_bytes_ = 0;
  for (const Entry& entry : entries) {
    Header header{};
    std::vector<Token> tokens;
    switch (Look(entry.path, fingerprint_, header, tokens)) {
      case Found::kOurs:
        states.push_back({entry.path, std::move(tokens), header.start, entry.size_bytes});
        break;
      case Found::kOther:
        others_.insert(others_.begin(), {entry.path, entry.size_bytes});
        other_bytes_ += entry.size_bytes;
        break;
      case Found::kForeign:
        warn_(StrCat("this is no saved state and was ignored: ", entry.path.string(), "; remove it"));
        break;
      case Found::kDamaged:
        fs::remove(entry.path, error);
        warn_(StrCat("a saved state was damaged, and removed: ", entry.path.string(), "; nothing needs to be done"));
        break;
    }
  }
  return states;
}

StoredState StateFolder::Plan(std::span<const Token> tokens, size_t start, size_t state_bytes) const {
  return {PathOf(tokens, start), {tokens.begin(), tokens.end()}, start, StateOffset(tokens.size()) + state_bytes};
}

Result<StoredState> StateFolder::Write(std::span<const Token> tokens, size_t start, std::span<const std::byte> state) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return ErrnoError(error.value(), StrCat("making the folder ", folder_.string()));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.start = static_cast<uint32_t>(start);
  header.tokens = static_cast<uint32_t>(tokens.size());
  std::memcpy(header.fingerprint, fingerprint_.data(), std::min(fingerprint_.size(), sizeof(header.fingerprint)));
  header.state_bytes = state.size();
  header.state_hash = Hash64(state);
  header.head_hash = HeadHash(header, std::as_bytes(tokens));
  StoredState stored = Plan(tokens, start, state.size());
  // The name of the process keeps two writers of the same state apart.
  const fs::path unfinished = StrCat(stored.path.string(), ".", ::getpid(), ".tmp");
  {
    std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    file.write(reinterpret_cast<const char*>(tokens.data()), static_cast<std::streamsize>(tokens.size_bytes()));
    const std::string padding(StateOffset(tokens.size()) - sizeof(header) - tokens.size_bytes(), '\0');
    file << padding;
    file.write(reinterpret_cast<const char*>(state.data()), static_cast<std::streamsize>(state.size()));
    file.close();
    if (!file) error = std::make_error_code(std::errc::io_error);
  }
  // Not synced: a file that a crash has torn does not pass its checksum.
  if (!error) fs::rename(unfinished, stored.path, error);
  if (error) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    return UnavailableError(StrCat("a saved state cannot be written to ", folder_.string()),
                            "free some room on the disk, or set llm.kv_disk_bytes to 0");
  }
  return stored;
}

Result<MappedFile> StateFolder::Open(const StoredState& stored) {
  RAGTIME_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(stored.path));
  Header header{};
  if (file.bytes().size() == stored.size_bytes && stored.size_bytes >= sizeof(header)) {
    std::memcpy(&header, file.bytes().data(), sizeof(header));
    const size_t offset = StateOffset(stored.tokens.size());
    const bool is_it = header.tokens == stored.tokens.size() && header.start == stored.start &&
                       HeadHash(header, std::as_bytes(std::span(stored.tokens))) == header.head_hash;
    if (is_it && offset <= stored.size_bytes && Hash64(file.bytes().subspan(offset)) == header.state_hash) {
      std::error_code ignored;
      fs::last_write_time(stored.path, fs::file_time_type::clock::now(), ignored);
      return Result<MappedFile>(std::move(file));
    }
  }
  Remove(stored);
  warn_(StrCat("a saved state was damaged, and removed: ", stored.path.string(), "; nothing needs to be done"));
  return DataLossError(StrCat("a saved state is damaged: ", stored.path.string()));
}

std::span<const std::byte> StateFolder::StateOf(const MappedFile& file) {
  Header header{};
  std::memcpy(&header, file.bytes().data(), sizeof(header));
  return file.bytes().subspan(StateOffset(header.tokens));
}

void StateFolder::Remove(const StoredState& stored) {
  std::error_code ignored;
  fs::remove(stored.path, ignored);
}

bool StateFolder::RemoveOldestOther() {
  if (others_.empty()) return false;
  std::error_code ignored;
  fs::remove(others_.back().path, ignored);
  other_bytes_ -= others_.back().size_bytes;
  others_.pop_back();
  return true;
}

}  // namespace ragtime
