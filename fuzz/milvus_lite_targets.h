// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzer and the mutation test of files of Milvus Lite 2.x do with arbitrary bytes: put them into such a file
// as the schema of a collection and as a row, and read it.
#ifndef RAGTIME_FUZZ_MILVUS_LITE_TARGETS_H_
#define RAGTIME_FUZZ_MILVUS_LITE_TARGETS_H_

#include <cstddef>
#include <span>
#include <vector>

namespace ragtime {

// Whether a row was read. The first byte is the length of the schema; the row follows it.
bool UseAsMilvusLite(std::span<const std::byte> bytes);

std::vector<std::byte> MilvusLiteSeed();

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_MILVUS_LITE_TARGETS_H_
