// SPDX-License-Identifier: Apache-2.0
#include "model/remote_fingerprint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr size_t kProjections = 32;
constexpr double kCosineMin = 0.95;

// The same signs everywhere and always.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::optional<std::array<double, kProjections>> ReadSketch(std::string_view text) {
  std::array<double, kProjections> values{};
  if (text.size() != 2 * kProjections) return std::nullopt;
  for (size_t i = 0; i < kProjections; ++i) {
    unsigned byte = 0;
    const char* const end = text.data() + 2 * i + 2;
    if (std::from_chars(text.data() + 2 * i, end, byte, 16).ptr != end) return std::nullopt;
    values[i] = static_cast<int8_t>(byte);
  }
  return values;
}

}  // namespace

std::optional<RemoteFingerprint> RemoteFingerprint::Parse(std::string_view text) {
  if (!text.starts_with(kRemoteFingerprint)) return std::nullopt;
  text.remove_prefix(kRemoteFingerprint.size());
  const size_t first = text.find('-');
  const size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  RemoteFingerprint fingerprint;
  const auto [end, error] = std::from_chars(text.data(), text.data() + first, fingerprint.dimension);
  if (error != std::errc() || end != text.data() + first || fingerprint.dimension == 0) return std::nullopt;
  fingerprint.settings = text.substr(first + 1, second - first - 1);
  fingerprint.sketch = text.substr(second + 1);
  if (!ReadSketch(fingerprint.sketch)) return std::nullopt;
  return fingerprint;
}

std::string RemoteFingerprint::ToString() const {
  return StrCat(kRemoteFingerprint, dimension, "-", settings, "-", sketch);
}

std::string SketchOf(std::span<const float> vector) {
  std::array<double, kProjections> sums{};
  for (size_t j = 0; j < vector.size(); ++j) {
    const uint64_t signs = Mix(j + 1);
    for (size_t i = 0; i < kProjections; ++i) sums[i] += (signs >> i & 1) != 0 ? vector[j] : -vector[j];
  }
  double largest = 0;
  for (const double sum : sums) largest = std::max(largest, std::abs(sum));
  std::string text;
  constexpr char kDigits[] = "0123456789abcdef";
  for (const double sum : sums) {
    const auto byte = static_cast<uint8_t>(static_cast<int8_t>(largest > 0 ? std::lround(127 * sum / largest) : 0));
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool SketchesAgree(std::string_view a, std::string_view b) {
  const auto left = ReadSketch(a);
  const auto right = ReadSketch(b);
  if (!left || !right) return false;
  double product = 0;
  double left_squares = 0;
  double right_squares = 0;
  for (size_t i = 0; i < kProjections; ++i) {
    product += (*left)[i] * (*right)[i];
    left_squares += (*left)[i] * (*left)[i];
    right_squares += (*right)[i] * (*right)[i];
  }
  return product > 0 && product >= kCosineMin * std::sqrt(left_squares * right_squares);
}

bool FingerprintsAgree(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const std::optional<RemoteFingerprint> left = RemoteFingerprint::Parse(a);
  const std::optional<RemoteFingerprint> right = RemoteFingerprint::Parse(b);
  return left && right && left->settings == right->settings && left->dimension == right->dimension &&
         SketchesAgree(left->sketch, right->sketch);
}

}  // namespace ragtime
