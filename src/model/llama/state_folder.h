// SPDX-License-Identifier: Apache-2.0
//
// StateFolder keeps saved states of a language model as files, so that a prompt's beginning is not computed again after
// a restart. docs/formats/kv.md is the format. The folder can be deleted at any time.
//
// Threads: Write and Remove may be called beside all others, which are called one at a time, and Write by one at a
// time; several processes may share the folder. A file is written beside and renamed, so that a reader sees all of it
// or nothing; its checksums are looked at before it is used.
#ifndef RAGTIME_MODEL_LLAMA_STATE_FOLDER_H_
#define RAGTIME_MODEL_LLAMA_STATE_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "model/llama/batch_model.h"
#include "ragtime/status.h"

namespace ragtime {

// What a file holds: the state of tokens[start, tokens.size()), which depends on the tokens before it too.
struct StoredState {
  std::filesystem::path path;
  std::vector<Token> tokens;
  size_t start = 0;
  uint64_t size_bytes = 0;  // Of the file.
};

class StateFolder {
 public:
  // Gets a sentence about a file that cannot be used.
  using Warn = std::function<void(std::string message)>;

  // `fingerprint` of the model: files of others are left alone, until room is needed.
  StateFolder(std::filesystem::path folder, std::string fingerprint, Warn warn);

  // The files of this model, those used longest ago first. Files that are damaged are removed; files that are no states
  // at all stay. Each gives a warning.
  std::vector<StoredState> List();
  // What Write would make of it.
  StoredState Plan(std::span<const Token> tokens, size_t start, size_t state_bytes) const;
  // The path of the new file, or why there is none: no room, no right to write.
  Result<StoredState> Write(std::span<const Token> tokens, size_t start, std::span<const std::byte> state);
  // The state, mapped and compared with its checksum, which also makes it the file used last. A damaged file is removed
  // with a warning; one that is gone gives none.
  Result<MappedFile> Open(const StoredState& stored);
  // The state in an opened file.
  static std::span<const std::byte> StateOf(const MappedFile& file);
  void Remove(const StoredState& stored);

  // Of files of other models; the longest unused one can be removed to make room.
  uint64_t other_bytes() const { return other_bytes_; }
  bool RemoveOldestOther();

 private:
  struct Other {
    std::filesystem::path path;
    uint64_t size_bytes;
  };

  std::filesystem::path PathOf(std::span<const Token> tokens, size_t start) const;

  const std::filesystem::path folder_;
  const std::string fingerprint_;
  const Warn warn_;
  std::vector<Other> others_;  // Used longest ago last.
  uint64_t other_bytes_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_STATE_FOLDER_H_
