// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzer and the mutation test of requests do with arbitrary text: take it as the body of a chat completion
// and of a search, and check that what is accepted can be asked.
#ifndef RAGTIME_FUZZ_REQUEST_TARGETS_H_
#define RAGTIME_FUZZ_REQUEST_TARGETS_H_

#include <string_view>

namespace ragtime {

// Whether it was accepted. Aborts where a request is accepted that holds no question, or refused without a reason.
bool UseAsChatRequest(std::string_view body);
bool UseAsSearchRequest(std::string_view body);

inline constexpr std::string_view kChatSeed =
    R"({"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"\u674e?"}]}],)"
    R"("stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"temperature":0.5,"user":"u","n":1,"stop":[],)"
    R"("ragtime":{"filter":"year > 1","route":"hybrid","mode":"auto"}})";
inline constexpr std::string_view kSearchSeed = R"({"query":"q","top_k":10,"route":"vector","filter":"a = 1"})";

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_REQUEST_TARGETS_H_
