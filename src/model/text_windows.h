// SPDX-License-Identifier: Apache-2.0
//
// EmbedTexts is what every embedder over an Encoder does: it cuts texts that are too long into windows, sorts them by
// length, encodes them, and gives each text the mean of its windows, weighted by their tokens, with length 1.
//
// Threads: keeps no state. Errors: those of `choose` and of the encoder; kInternal for a vector that is not finite.
#ifndef RAGTIME_MODEL_TEXT_WINDOWS_H_
#define RAGTIME_MODEL_TEXT_WINDOWS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/encoder.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct TextEncoding {
  std::string model;  // Its name, for errors.
  size_t dimension = 0;
  size_t max_tokens = 0;            // Of one window, begin and end included.
  std::vector<int32_t> begin, end;  // Put around every window.
  // Appends the ids of a text.
  std::function<void(std::string_view text, std::vector<int32_t>& ids)> tokenize;
  // The encoder for so many tokens that are to be encoded now.
  std::function<Result<std::shared_ptr<Encoder>>(size_t tokens)> choose;
};

// `prefix` is put in front of every text, not of every window. Returns texts.size() x dimension floats.
Result<std::vector<float>> EmbedTexts(const Context& context, const TextEncoding& encoding, const std::string& prefix,
                                      std::span<const std::string> texts);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_TEXT_WINDOWS_H_
