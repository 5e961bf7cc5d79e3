// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers and the mutation test do with arbitrary bytes: open them as an index, a text or a filter, and use
// all of it. The checks abort, since a fuzzer has no other way to say that something is wrong.
#ifndef RAGTIME_FUZZ_INDEX_TARGETS_H_
#define RAGTIME_FUZZ_INDEX_TARGETS_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace ragtime {

// True if the bytes could be opened.
bool UseAsFlatIndex(std::span<const std::byte> bytes);
bool UseAsHnswIndex(std::span<const std::byte> bytes);
bool UseAsFastHnswIndex(std::span<const std::byte> bytes);
bool UseAsIvfIndex(std::span<const std::byte> bytes);
bool UseAsDiskannIndex(std::span<const std::byte> bytes);
bool UseAsBm25Index(std::span<const std::byte> bytes);
bool UseAsColumns(std::span<const std::byte> bytes);
void UseAsText(std::string_view text);
// True if it is a filter on fields named after the types.
bool UseAsFilter(std::string_view text);

// Bytes to start from: what Build writes.
std::vector<std::byte> FlatSeed();
std::vector<std::vector<std::byte>> HnswSeeds();  // Of both versions.
std::vector<std::byte> FastHnswSeed();
// One of each type.
std::vector<std::vector<std::byte>> IvfSeeds();
std::vector<std::byte> DiskannSeed();
std::vector<std::byte> Bm25Seed();
std::vector<std::byte> ColumnsSeed();

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_INDEX_TARGETS_H_
