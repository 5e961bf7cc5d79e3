// SPDX-License-Identifier: Apache-2.0
//
// The three steps of another model for a knowledge base: embed everything beside the present vectors, compare how well
// both find, exchange them.
//
// Threads: each runs on the caller's thread. Ownership: borrows all. Errors: those of the stores and the embedder.
#ifndef RAGTIME_ENGINE_REEMBEDDING_H_
#define RAGTIME_ENGINE_REEMBEDDING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "ragtime/embedder.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/store.h"

namespace ragtime {

// Brings `beside` to the documents of `store`, with vectors of `embedder`: what is there already is not embedded again,
// what has gone goes. The right to write `beside` is held by the caller. Returns how many nodes were embedded.
Result<uint64_t> EmbedBeside(const Snapshot& store, Store& beside, Embedder& embedder, const ReembedOptions& options);

// The share of questions, made of passages' own words, that find their passage among the first 10 by vector.
// `questions` are taken from `of`, and looked for in `in`, which holds the same documents.
struct Recall {
  uint64_t questions = 0;
  double at_10 = 0;
};
Result<Recall> OwnRecall(const Context& context, const Snapshot& of, const Snapshot& in, Embedder& embedder,
                         size_t questions = 200);

// Gives the nodes of `store` the vectors that the same texts have in `from`; what is not there is embedded, by what
// `embedder` returns when it is first needed. Returns how many nodes were embedded.
Result<uint64_t> ExchangeVectors(const Context& context, Store& store, const Snapshot& from, size_t dimension,
                                 const std::function<Result<Embedder*>()>& embedder,
                                 const std::map<std::string, std::string>& settings);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_REEMBEDDING_H_
