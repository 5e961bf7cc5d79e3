// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzer and the mutation test do with an answer of a Chroma server, whatever its bytes are: read it as rows,
// as ids, as hits and as a count, and check that what comes out keeps the contract of Collection.
#ifndef RAGTIME_FUZZ_CHROMA_ANSWER_TARGETS_H_
#define RAGTIME_FUZZ_CHROMA_ANSWER_TARGETS_H_

#include <string_view>

namespace ragtime {

// True if it is JSON and at least one row, hit or count was taken from it.
bool UseAsChromaAnswer(std::string_view text);

inline constexpr std::string_view kChromaRowsSeed =
    R"({"ids":["7","12"],"embeddings":[[0.5,-1e-3,2],[1,0,0]],"documents":["a long text",null],"metadatas":[)"
    R"({"_id":7,"_payload":"{}","year":2020,"open":true,"author":"\u674e","when":1700000000000,"price":1.5},)"
    R"({"_id":12,"_payload":"p","_text":"short","tags":null}]})";
inline constexpr std::string_view kChromaHitsSeed =
    R"({"ids":[["3","9","1","4","8"]],"distances":[[0.25,1e-3,0.25,7,-2]],"metadatas":null})";

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_CHROMA_ANSWER_TARGETS_H_
