// SPDX-License-Identifier: Apache-2.0
//
// Loops over whole columns, with AVX2 where the processor has it. Results are the same with and without.
#ifndef RAGTIME_INDEX_SCALAR_COLUMN_SCAN_H_
#define RAGTIME_INDEX_SCALAR_COLUMN_SCAN_H_

#include <cstdint>
#include <span>

namespace ragtime {

// Adds to `words` a bit for each value from `low` to `high`, both included; words has a bit for each value.
void ScanInts(std::span<const int64_t> values, int64_t low, int64_t high, std::span<uint64_t> words);
// The same where the values are floats and the bounds OrderedBits.
void ScanFloats(std::span<const double> values, int64_t low, int64_t high, std::span<uint64_t> words);
void ScanCodes(std::span<const uint32_t> codes, uint32_t low, uint32_t high, std::span<uint64_t> words);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMN_SCAN_H_
