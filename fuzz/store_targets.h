// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers and the mutation test do with arbitrary bytes: open them as a segment, as deletions, as a tokenizer
// or as a GGUF file, and use all of it. Sanitizers and Require find what is wrong.
#ifndef RAGTIME_FUZZ_STORE_TARGETS_H_
#define RAGTIME_FUZZ_STORE_TARGETS_H_

#include <cstddef>
#include <span>
#include <vector>

namespace ragtime {

// True if the bytes could be opened. Checksums of a segment are set right first: they would keep mutations out.
bool UseAsSegment(std::span<const std::byte> bytes);
bool UseAsDeletions(std::span<const std::byte> bytes);
bool UseAsTokenizer(std::span<const std::byte> bytes);
bool UseAsGguf(std::span<const std::byte> bytes);

// Bytes to start from: what the builders write.
std::vector<std::byte> SegmentSeed();
std::vector<std::byte> DeletionsSeed();

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_STORE_TARGETS_H_
