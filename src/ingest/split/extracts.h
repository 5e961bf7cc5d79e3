// SPDX-License-Identifier: Apache-2.0
//
// What a text is about, by rules alone: its most telling sentences, and its keywords.
//
// Threads: may be called concurrently. Errors: none. Only the first kExtractBytesMax bytes are looked at.
#ifndef RAGTIME_INGEST_SPLIT_EXTRACTS_H_
#define RAGTIME_INGEST_SPLIT_EXTRACTS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

inline constexpr size_t kExtractBytesMax = 256 * 1024;

// The sentences, at most `sentences` and in their order, whose words are most frequent in the text (Nenkova and
// Vanderwende, 2005: words of a sentence that was taken count less from then on). One of several lines loses its line
// breaks.
std::string ExtractSummary(std::string_view text, size_t sentences = 3);

// The keywords, best first, lower case, at most `count`. Latin and other spaced scripts: RAKE (Rose et al., 2010),
// which takes runs of words between function words and punctuation. Chinese: runs of 2 to 6 characters that are
// repeated, without those that are only part of a longer one.
std::vector<std::string> ExtractKeywords(std::string_view text, size_t count = 12);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_EXTRACTS_H_
