// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_file.h"

#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "base/str_cat.h"

namespace ragtime {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read as they lie in memory");

// Types of settings, from the format's description.
enum SettingType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// Bytes of one value; 0 for those that say themselves how long they are.
constexpr size_t kSettingBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// More than any model has; a damaged count must not make us loop for hours.
constexpr uint64_t kCountMax = 1 << 20;

template <typename T>
T ReadAs(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

// Walks the header. The first wrong size makes `failed_` true, and every later read gives nothing.
class GgufParser {
 public:
  explicit GgufParser(GgufFile& file) : file_(file), rest_(file.file_.bytes()) {}

  Status Parse() {
    const size_t size = rest_.size();
    if (const auto magic = Take(4); failed_ || std::memcmp(magic.data(), "GGUF", 4) != 0)
      return Error("it does not begin with GGUF");
    if (const auto version = Take<uint32_t>(); version != 2 && version != 3) {
      return Error(StrCat("its version is not 2 or 3: ", version));
    }
    const auto tensor_count = Take<uint64_t>();
    const auto setting_count = Take<uint64_t>();
    if (failed_ || tensor_count > kCountMax || setting_count > kCountMax) return Error("its counts are not plausible");
    for (uint64_t i = 0; i < setting_count && !failed_; ++i) ReadSetting();
    std::vector<std::pair<std::string, Placed>> placed;
    for (uint64_t i = 0; i < tensor_count && !failed_; ++i) placed.push_back(ReadTensor());
    if (failed_) return Error("its header ends too soon or holds an impossible size");
    const uint64_t alignment = file_.Integer("general.alignment").value_or(32);
    if (alignment == 0 || alignment > 65536 || !std::has_single_bit(alignment))
      return Error(StrCat("its alignment is ", alignment));
    const uint64_t start = (size - rest_.size() + alignment - 1) / alignment * alignment;
    for (auto& [name, tensor] : placed) {
      RAGTIME_RETURN_IF_ERROR(Place(name, tensor, start));
    }
    return Status();
  }

 private:
  struct Placed {
    uint32_t type = 0;
    std::array<uint64_t, 4> sizes = {1, 1, 1, 1};
    uint64_t offset = 0;
  };

  Status Error(std::string_view why) const {
    return DataLossError(StrCat(file_.name_, " is not a whole GGUF file: ", why),
                         "fetch the model again; tools/setup.sh makes those that come with Ragtime");
  }

  std::span<const std::byte> Take(uint64_t size_bytes) {
    if (failed_ || size_bytes > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto taken = rest_.first(size_bytes);
    rest_ = rest_.subspan(size_bytes);
    return taken;
  }

  template <typename T>
  T Take() {
    const auto bytes = Take(sizeof(T));
    return failed_ ? T{} : ReadAs<T>(bytes);
  }

  std::span<const std::byte> TakeString() { return Take(Take<uint64_t>()); }

  std::string TakeName() {
    const auto bytes = TakeString();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  // Elements of fixed size are passed over at once, strings one by one.
  void SkipArray() {
    const auto type = Take<uint32_t>();
    const auto count = Take<uint64_t>();
    if (failed_ || type > kFloat64 || type == kArray || count > rest_.size()) {
      failed_ = true;
      return;
    }
    if (type == kString) {
      for (uint64_t i = 0; i < count && !failed_; ++i) TakeString();
    } else {
      Take(count * kSettingBytes[type]);
    }
  }

  void ReadSetting() {
    std::string key = TakeName();
    const auto type = Take<uint32_t>();
    if (failed_ || type > kFloat64) {
      failed_ = true;
      return;
    }
    if (type == kArray) {
      SkipArray();
      return;
    }
    const auto value = type == kString ? TakeString() : Take(kSettingBytes[type]);
    if (!failed_) file_.settings_[std::move(key)] = {type, value};
  }

  std::pair<std::string, Placed> ReadTensor() {
    std::string name = TakeName();
    Placed tensor;
    const auto dimensions = Take<uint32_t>();
    if (dimensions > tensor.sizes.size()) failed_ = true;
    for (uint32_t d = 0; d < dimensions && !failed_; ++d) tensor.sizes[d] = Take<uint64_t>();
    tensor.type = Take<uint32_t>();
    tensor.offset = Take<uint64_t>();
    return {std::move(name), tensor};
  }

  Status Place(const std::string& name, const Placed& placed, uint64_t start) {
    if (placed.type > static_cast<uint32_t>(GgufType::kQ4_0)) return Status();
    const auto all = file_.file_.bytes();
    const auto type = static_cast<GgufType>(placed.type);
    uint64_t values = 1;
    for (const uint64_t size : placed.sizes) {
      // A tensor has at most twice as many values as the file has bytes: so checked, no product can overflow.
      if (size == 0 || size > 2 * all.size() || values > 2 * all.size() / size) {
        return Error(StrCat("tensor ", name, " is larger than the file"));
      }
      values *= size;
    }
    if (type == GgufType::kQ4_0 && placed.sizes[0] % kQ4BlockValues != 0) {
      return Error(StrCat("the rows of tensor ", name, " do not consist of blocks of 32: ", placed.sizes[0]));
    }
    const uint64_t size_bytes = type == GgufType::kF32   ? values * 4
                                : type == GgufType::kF16 ? values * 2
                                                         : values / kQ4BlockValues * kQ4BlockBytes;
    if (placed.offset > all.size() || start + placed.offset > all.size() ||
        size_bytes > all.size() - start - placed.offset) {
      return Error(StrCat("tensor ", name, " ends behind the end of the file"));
    }
    // Floats are read in place, which needs them aligned.
    if ((start + placed.offset) % 4 != 0) return Error(StrCat("tensor ", name, " is not aligned"));
    file_.tensors_[name] = {type, placed.sizes, all.subspan(start + placed.offset, size_bytes)};
    return Status();
  }

  GgufFile& file_;
  std::span<const std::byte> rest_;
  bool failed_ = false;
};

Result<GgufFile> GgufFile::Open(const std::filesystem::path& path) {
  GgufFile file;
  RAGTIME_ASSIGN_OR_RETURN(file.file_, MappedFile::Open(path));
  file.name_ = path.string();
  RAGTIME_RETURN_IF_ERROR(GgufParser(file).Parse());
  return file;
}

std::optional<uint64_t> GgufFile::Integer(std::string_view key) const {
  const auto found = settings_.find(key);
  if (found == settings_.end()) return std::nullopt;
  const auto& [type, value] = found->second;
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool:
      return ReadAs<uint8_t>(value);
    case kUint16:
    case kInt16:
      return ReadAs<uint16_t>(value);
    case kUint32:
    case kInt32:
      return ReadAs<uint32_t>(value);
    case kUint64:
    case kInt64:
      return ReadAs<uint64_t>(value);
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufFile::Float(std::string_view key) const {
  const auto found = settings_.find(key);
  if (found == settings_.end()) return std::nullopt;
  const auto& [type, value] = found->second;
  if (type == kFloat32) return ReadAs<float>(value);
  if (type == kFloat64) return ReadAs<double>(value);
  return std::nullopt;
}

std::optional<std::string_view> GgufFile::String(std::string_view key) const {
  const auto found = settings_.find(key);
  if (found == settings_.end() || found->second.type != kString) return std::nullopt;
  const auto& value = found->second.value;
  return std::string_view(reinterpret_cast<const char*>(value.data()), value.size());
}

const GgufTensor* GgufFile::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t fraction = half & 0x3ff;
  float value;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | fraction << 13;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace ragtime
