// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzer and the mutation test of fields do with arbitrary text: take it as the front matter of a Markdown
// file and as the JSON of a sidecar, and check that what comes out could be stored.
#ifndef RAGTIME_FUZZ_FIELDS_TARGETS_H_
#define RAGTIME_FUZZ_FIELDS_TARGETS_H_

#include <cstddef>
#include <string_view>

namespace ragtime {

// How many fields were found. Aborts if one is not what was declared.
size_t UseAsFrontMatter(std::string_view text);
size_t UseAsSidecar(std::string_view text);

inline constexpr std::string_view kFrontMatterSeed =
    "year: 2020\nauthor: &a \"L\\u738b\"\ntags: [a, *a, '数据']\ndate: 2024-01-02 03:04:05 +0800\nscore: 1e9\n"
    "draft: true\nother: {deep: [x]}\n";
inline constexpr std::string_view kSidecarSeed =
    R"({"year": "2020", "author": "L\u738b", "tags": ["a", 1], "date": "2024-01-02T03:04Z", "score": 1.5, "draft": true})";

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_FIELDS_TARGETS_H_
