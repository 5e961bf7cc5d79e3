// SPDX-License-Identifier: Apache-2.0
#include "ingest/split/kept_replies.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "ragtime reply 1 ";
constexpr uint64_t kFileBytesMax = uint64_t{1} << 20;

std::string HeadOf(std::string_view text) { return StrCat(kMagic, HashHex(text), "\n"); }

// The text of a kept file; none where there is no such file, or not a whole one.
std::optional<std::string> ReadKept(const fs::path& path) {
  Result<std::string> file = ReadFile(path, kFileBytesMax);
  if (!file.ok()) return std::nullopt;
  const size_t head = file->find('\n');
  if (head == std::string::npos) return std::nullopt;
  std::string text = file->substr(head + 1);
  if (!file->starts_with(HeadOf(text))) return std::nullopt;
  return text;
}

}  // namespace

KeptReplies::KeptReplies(std::shared_ptr<Generator> generator, fs::path folder, uint64_t size_bytes_max)
    : generator_(std::move(generator)), folder_(std::move(folder)), size_bytes_max_(size_bytes_max) {}

Result<GenerationResult> KeptReplies::Generate(const Context& context, const GenerationRequest& request,
                                               const OnToken& on_token) {
  if (request.temperature > 0 || request.json_schema) return generator_->Generate(context, request, on_token);
  const fs::path path = PathOf(request);
  if (std::optional<std::string> text = ReadKept(path)) {
    std::error_code none;
    fs::last_write_time(path, fs::file_time_type::clock::now(), none);  // It was used last.
    ++given_again_;
    GenerationResult result;
    result.text = *std::move(text);
    on_token(Channel::kAnswer, result.text);
    return result;
  }
  Result<GenerationResult> result = generator_->Generate(context, request, on_token);
  if (result.ok() && !result->truncated && !result->text.empty()) Keep(path, result->text);
  return result;
}

// Named by all that the reply depends on; lengths keep texts apart that only run together alike.
fs::path KeptReplies::PathOf(const GenerationRequest& request) const {
  std::string key = StrCat(info().model.size(), " ", info().model, request.max_tokens, " ",
                           request.thinking_tokens ? StrCat(*request.thinking_tokens) : std::string("-"));
  for (const ChatMessage& message : request.messages) {
    key += StrCat(" ", message.role.size(), " ", message.content.size(), " ", message.role, message.content);
  }
  return folder_ / (HashHex(key) + ".reply");
}

// Not synced: a file that a power cut left half is not one by its hash, and is written again.
void KeptReplies::Keep(const fs::path& path, std::string_view text) {
  const std::string head = HeadOf(text);
  if (head.size() + text.size() > kFileBytesMax) return;
  std::lock_guard lock(mutex_);
  std::error_code error;
  fs::create_directories(folder_, error);
  const fs::path part = folder_ / StrCat(path.stem().string(), ".", getpid(), ".part");
  std::ofstream file(part, std::ios::binary);
  file << head << text;
  file.close();
  if (file) fs::rename(part, path, error);
  if (!file || error) {
    fs::remove(part, error);
    return;
  }
  if (size_bytes_) *size_bytes_ += head.size() + text.size();
  MakeRoom();
}

void KeptReplies::MakeRoom() {
  if (size_bytes_ && *size_bytes_ <= size_bytes_max_) return;
  struct Kept {
    fs::path path;
    fs::file_time_type used;
    uint64_t size_bytes;
  };
  std::vector<Kept> all;
  uint64_t sum = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (entry->path().extension() != ".reply") continue;
    Kept kept{entry->path(), entry->last_write_time(gone), entry->file_size(gone)};
    if (gone) continue;
    sum += kept.size_bytes;
    all.push_back(std::move(kept));
  }
  if (sum > size_bytes_max_) {
    std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
    // A quarter more than must go, so that not every reply has the folder listed.
    for (const Kept& kept : all) {
      if (sum <= size_bytes_max_ / 4 * 3) break;
      if (fs::remove(kept.path, error)) sum -= kept.size_bytes;
    }
  }
  size_bytes_ = sum;
}

}  // namespace ragtime
