// SPDX-License-Identifier: Apache-2.0
//
// RemoteFingerprint names the vectors of a model that only a server has: by how it is asked, and by what it made of one
// text. Two servers may round in different ways, so fingerprints of one model need not be equal; they agree.
//
// Threads: may be called concurrently.
#ifndef RAGTIME_MODEL_REMOTE_FINGERPRINT_H_
#define RAGTIME_MODEL_REMOTE_FINGERPRINT_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ragtime {

// Begins the text of every one.
inline constexpr std::string_view kRemoteFingerprint = "openai-";

struct RemoteFingerprint {
  std::string settings;  // Hash of model, prefixes and whatever else is said to the server.
  size_t dimension = 0;
  std::string sketch;  // Of the vector of one text.

  static std::optional<RemoteFingerprint> Parse(std::string_view text);
  std::string ToString() const;
};

// 32 random projections of a vector, in hexadecimal.
std::string SketchOf(std::span<const float> vector);
// Whether they are of vectors with a cosine of about 0.95 or more. Those of two models have one near 0.
bool SketchesAgree(std::string_view a, std::string_view b);

// Whether two fingerprints, of whatever kind, say that a text gets the same vector.
bool FingerprintsAgree(std::string_view a, std::string_view b);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_REMOTE_FINGERPRINT_H_
