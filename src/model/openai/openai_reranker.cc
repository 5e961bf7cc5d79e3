// SPDX-License-Identifier: Apache-2.0
#include "model/openai/openai_reranker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/str_cat.h"
#include "model/openai/token_estimate.h"

namespace ragtime {
namespace {

// What a server puts between and around question and text.
constexpr size_t kSpecialTokens = 8;
constexpr size_t kTextTokensMin = 32;

// scores[i] of the i-th document that was sent.
Status ReadScores(const Json& answer, std::vector<double>& scores) {
  const Json& results = answer["results"];
  if (!results.is_array()) {
    return FailedPreconditionError("what answers is no server that reranks: its answer holds no results",
                                   "check rerank.base_url and rerank.model; llama-server wants --reranking");
  }
  if (results.AsArray().size() != scores.size()) {
    return DataLossError(
        StrCat("the server scored ", results.AsArray().size(), " texts, and was sent this many: ", scores.size()),
        "look into the server's log");
  }
  for (const Json& result : results.AsArray()) {
    const int64_t index = result["index"].AsInt(-1);
    if (index < 0 || static_cast<size_t>(index) >= scores.size() || !std::isnan(scores[static_cast<size_t>(index)])) {
      return DataLossError(
          StrCat("the server scored a text that there is not, or one twice: index ", index, " of ", scores.size()),
          "look into the server's log");
    }
    const double score = result["relevance_score"].AsDouble(NAN);
    if (!std::isfinite(score)) {
      return DataLossError("the server gave a relevance_score that is no number", "look into the server's log");
    }
    scores[static_cast<size_t>(index)] = score;
  }
  return Status();
}

}  // namespace

Result<std::unique_ptr<OpenAiReranker>> OpenAiReranker::Create(OpenAiRerankerOptions options) {
  RAGTIME_ASSIGN_OR_RETURN(auto servers,
                           OpenAiServers::Create({.section = "rerank",
                                                  .role = "reranking",
                                                  .endpoint = "/rerank",
                                                  .base_url = options.base_url,
                                                  .model = options.model,
                                                  .api_key_env = options.api_key_env,
                                                  .policy = {.timeout_ms = options.timeout_ms,
                                                             .connect_timeout_ms = options.connect_timeout_ms,
                                                             .idle_timeout_ms = options.timeout_ms,
                                                             .retry = options.retry}}));
  return std::unique_ptr<OpenAiReranker>(new OpenAiReranker(std::move(options), std::move(servers)));
}

Result<std::vector<RankedCandidate>> OpenAiReranker::Rerank(const Context& context, std::string_view question,
                                                            std::span<const RerankCandidate> candidates) const {
  candidates = candidates.first(std::min(candidates.size(), std::max<size_t>(1, options_.candidates)));
  if (candidates.empty()) return std::vector<RankedCandidate>();
  const size_t around = EstimateTokens(question) + kSpecialTokens;
  const size_t room = std::max(kTextTokensMin, options_.max_tokens - std::min(around, options_.max_tokens));
  Json documents(Json::Array{});
  std::vector<size_t> owners;  // Whose part each document is.
  for (size_t i = 0; i < candidates.size(); ++i) {
    for (const std::string_view part : CutByTokens(candidates[i].text, room)) {
      documents.Append(part);
      owners.push_back(i);
    }
  }
  Json body;
  body.Set("model", options_.model).Set("query", question).Set("documents", std::move(documents));
  body.Set("top_n", uint64_t{owners.size()}).Set("return_documents", false);
  std::vector<double> scores;
  OpenAiServers::Course course;
  const auto read = [&](size_t, const Json& answer) {
    scores.assign(owners.size(), NAN);
    return ReadScores(answer, scores);
  };
  RAGTIME_RETURN_IF_ERROR(servers_->Post(context, body.Dump(), read, course));
  std::vector<RankedCandidate> ranked;
  for (size_t i = 0; i < candidates.size(); ++i) ranked.push_back({i, -std::numeric_limits<double>::infinity()});
  for (size_t n = 0; n < owners.size(); ++n) ranked[owners[n]].score = std::max(ranked[owners[n]].score, scores[n]);
  std::sort(ranked.begin(), ranked.end(), [&](const RankedCandidate& a, const RankedCandidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return candidates[a.index].node_id < candidates[b.index].node_id;
  });
  return ranked;
}

}  // namespace ragtime
