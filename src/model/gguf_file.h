// SPDX-License-Identifier: Apache-2.0
//
// A GgufFile is a model in GGUF, mapped: its settings, and where each tensor's bytes lie. Nothing is copied or
// converted.
//
// It is our own reader because a start must cost microseconds, and because a damaged file must give an error: the
// reference reader asserts, that is, ends the process. Understands versions 2 and 3, and the tensor types it names.
// Threads: immutable. Ownership: spans stay valid as long as the GgufFile.
// Errors: kDataLoss, naming the file, where a size or an offset leads out of it.
#ifndef RAGTIME_MODEL_GGUF_FILE_H_
#define RAGTIME_MODEL_GGUF_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/files.h"
#include "model/q4_block.h"
#include "ragtime/status.h"

namespace ragtime {

enum class GgufType : uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2 };

struct GgufTensor {
  GgufType type = GgufType::kF32;
  std::array<uint64_t, 4> sizes = {1, 1, 1, 1};  // The first is the length of a row.
  std::span<const std::byte> bytes;              // Exactly what the sizes say.
};

class GgufFile {
 public:
  static Result<GgufFile> Open(const std::filesystem::path& path);

  // Settings of any integer or bool type / any float type / string.
  std::optional<uint64_t> Integer(std::string_view key) const;
  std::optional<double> Float(std::string_view key) const;
  std::optional<std::string_view> String(std::string_view key) const;
  // Null where there is no tensor of that name, or its type is none of GgufType.
  const GgufTensor* Find(std::string_view name) const;
  const std::string& name() const { return name_; }

 private:
  friend class GgufParser;
  struct Setting {
    uint32_t type = 0;
    std::span<const std::byte> value;
  };

  MappedFile file_;
  std::string name_;
  std::map<std::string, Setting, std::less<>> settings_;
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_GGUF_FILE_H_
