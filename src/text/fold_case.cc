// SPDX-License-Identifier: Apache-2.0
#include "text/fold_case.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>

#include "text/utf8.h"

namespace ragtime {
namespace {

// Normalizes `text`; on failure, which ICU knows only for lack of memory, the text stays as it is.
std::string Normalize(const icu::Normalizer2* normalizer, std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  std::string out;
  if (normalizer != nullptr) {
    out.reserve(text.size());
    icu::StringByteSink<std::string> sink(&out);
    normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr,
                              error);
  }
  return normalizer != nullptr && U_SUCCESS(error) ? out : std::string(text);
}

// ICU makes each normalizer once and keeps it for good. Holding it in a static of ours saves the look-up of every word,
// and ThreadSanitizer, which does not see into ICU, sees that it is made before it is used.
template <const icu::Normalizer2* (*kGetInstance)(UErrorCode&)>
const icu::Normalizer2* Normalizer() {
  static const icu::Normalizer2* const kNormalizer = [] {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* made = kGetInstance(error);
    return U_SUCCESS(error) ? made : nullptr;
  }();
  return kNormalizer;
}

}  // namespace

std::string ComposeCompatible(std::string_view text) {
  return Normalize(Normalizer<&icu::Normalizer2::getNFKCInstance>(), text);
}

std::string FoldCase(std::string_view text) {
  if (IsAscii(text)) {
    std::string out(text);
    for (char& c : out) c = LowerAscii(c);
    return out;
  }
  return Normalize(Normalizer<&icu::Normalizer2::getNFKCCasefoldInstance>(), text);
}

std::string WithoutAccents(std::string_view folded) {
  const std::string decomposed = Normalize(Normalizer<&icu::Normalizer2::getNFDInstance>(), folded);
  std::string out;
  for (size_t i = 0; i < decomposed.size();) {
    const DecodedCharacter character = DecodeUtf8(decomposed, i);
    i += character.size_bytes;
    if (character.code_point < 0x80) {
      out.push_back(static_cast<char>(character.code_point));
    } else if ((U_GET_GC_MASK(static_cast<UChar32>(character.code_point)) & U_GC_MN_MASK) == 0) {
      return {};
    }
  }
  return out;
}

}  // namespace ragtime
