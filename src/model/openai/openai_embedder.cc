// SPDX-License-Identifier: Apache-2.0
#include "model/openai/openai_embedder.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "model/openai/embedding_answer.h"
#include "model/openai/token_estimate.h"
#include "model/remote_fingerprint.h"

namespace ragtime {
namespace {

// What servers are compared by. To be changed never: it stands behind every recorded fingerprint.
constexpr char kComparedText[] = "Which model embeds this text? 这段文字由哪个模型转成向量？ 1, 2, 3.";
// What a server puts around an input.
constexpr size_t kSpecialTokens = 8;
// A part that is not cut further, whatever the server says.
constexpr size_t kPartTokensMin = 16;

void Normalize(std::span<float> row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (squares <= 0) return;  // The vectors of its parts cancel each other out.
  const double length = std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value / length);
}

float WeightOf(std::string_view words) { return static_cast<float>(std::max<size_t>(1, EstimateTokens(words))); }

}  // namespace

Result<std::unique_ptr<OpenAiEmbedder>> OpenAiEmbedder::Open(const Context& context, OpenAiEmbedderOptions options) {
  RAGTIME_ASSIGN_OR_RETURN(auto servers,
                           OpenAiServers::Create({.section = "embed",
                                                  .role = "embedding",
                                                  .endpoint = "/embeddings",
                                                  .base_url = options.base_url,
                                                  .model = options.model,
                                                  .api_key_env = options.api_key_env,
                                                  .requests_max = options.parallel,
                                                  .policy = {.timeout_ms = options.timeout_ms,
                                                             .connect_timeout_ms = options.connect_timeout_ms,
                                                             .idle_timeout_ms = options.timeout_ms,
                                                             .retry = options.retry}}));
  std::unique_ptr<OpenAiEmbedder> embedder(new OpenAiEmbedder(std::move(options), std::move(servers)));
  RAGTIME_RETURN_IF_ERROR(embedder->LearnModel(context));
  return embedder;
}

OpenAiEmbedder::OpenAiEmbedder(OpenAiEmbedderOptions options, std::unique_ptr<OpenAiServers> servers)
    : options_(std::move(options)), servers_(std::move(servers)), compared_(servers_->size()) {
  info_.model = options_.model;
  info_.max_tokens = options_.max_tokens;
  info_.found_threshold = options_.found_threshold;
}

// Whatever gives a text another vector, but for the weights behind the name.
std::string OpenAiEmbedder::Settings() const {
  Json settings(Json::Array{options_.model, options_.query_prefix, options_.passage_prefix,
                            uint64_t{options_.dimensions}, uint64_t{options_.max_tokens}});
  return HashHex(settings.Dump());
}

Status OpenAiEmbedder::LearnModel(const Context& context) {
  RemoteFingerprint fingerprint{.settings = Settings()};
  const std::optional<RemoteFingerprint> recorded = RemoteFingerprint::Parse(options_.fingerprint);
  if (recorded && recorded->settings == fingerprint.settings) {
    fingerprint = *recorded;
  } else {
    RAGTIME_ASSIGN_OR_RETURN(const auto vectors, Request(context, {}, /*compares=*/true));
    fingerprint.dimension = vectors[0].size();
    fingerprint.sketch = SketchOf(vectors[0]);
  }
  info_.dimension = fingerprint.dimension;
  info_.fingerprint = fingerprint.ToString();
  sketch_ = fingerprint.sketch;
  return Status();
}

size_t OpenAiEmbedder::CountTokens(std::string_view text) const { return EstimateTokens(text); }

Result<std::vector<float>> OpenAiEmbedder::Embed(const Context& context, std::span<const std::string> texts,
                                                 TextKind kind) {
  const std::string& prefix = kind == TextKind::kQuery ? options_.query_prefix : options_.passage_prefix;
  const size_t around = EstimateTokens(prefix) + kSpecialTokens;
  const size_t room = std::max(kPartTokensMin, options_.max_tokens - std::min(around, options_.max_tokens));
  std::vector<Part> parts;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (const std::string_view words : CutByTokens(texts[i], room)) parts.push_back({i, words});
  }
  const size_t size = std::max<size_t>(1, options_.batch);
  const size_t requests = (parts.size() + size - 1) / size;
  const auto batch = [&](size_t i) {
    return std::span(parts).subspan(i * size, std::min(size, parts.size() - i * size));
  };
  Status failure;
  if (requests == 1) {
    failure = EmbedParts(context, prefix, batch(0));
  } else if (requests > 1) {
    // The first that fails ends the others.
    std::stop_source stop;
    const std::stop_callback cancel(context.stop, [&stop] { stop.request_stop(); });
    const Context linked{.deadline = context.deadline, .stop = stop.get_token()};
    std::mutex mutex;
    Pool().ParallelFor(requests, [&](size_t i) {
      if (stop.stop_requested()) return;
      Status status = EmbedParts(linked, prefix, batch(i));
      if (status.ok()) return;
      std::lock_guard lock(mutex);
      if (failure.ok()) failure = std::move(status);
      stop.request_stop();
    });
    RAGTIME_RETURN_IF_ERROR(context.Check());
  }
  RAGTIME_RETURN_IF_ERROR(failure);
  std::vector<float> rows(texts.size() * info_.dimension);
  for (const Part& part : parts) {
    const std::span<float> row = std::span(rows).subspan(part.text * info_.dimension, info_.dimension);
    const float weight = WeightOf(part.words);
    for (size_t d = 0; d < row.size(); ++d) row[d] += weight * part.vector[d];
  }
  for (size_t i = 0; i < texts.size(); ++i) Normalize(std::span(rows).subspan(i * info_.dimension, info_.dimension));
  return rows;
}

Status OpenAiEmbedder::EmbedParts(const Context& context, std::string_view prefix, std::span<Part> parts) {
  std::vector<std::string> inputs;
  // Servers refuse an empty input.
  for (const Part& part : parts) inputs.push_back(StrCat(prefix, part.words.empty() ? " " : part.words));
  Result<std::vector<std::vector<float>>> vectors = Request(context, inputs, /*compares=*/!compared_[last_server_]);
  // Another server than the last time has answered, and for the first time.
  if (vectors.status().code() == StatusCode::kAborted) vectors = Request(context, inputs, /*compares=*/true);
  if (vectors.status().code() == StatusCode::kResourceExhausted) {
    return EmbedInHalves(context, prefix, parts, vectors.status());
  }
  RAGTIME_RETURN_IF_ERROR(vectors.status());
  for (size_t i = 0; i < parts.size(); ++i) parts[i].vector = std::move((*vectors)[i]);
  return Status();
}

// The server's tokenizer makes more of the words than was estimated: nothing is left out for that.
Status OpenAiEmbedder::EmbedInHalves(const Context& context, std::string_view prefix, std::span<Part> parts,
                                     const Status& failure) {
  if (parts.size() > 1) {
    const size_t half = parts.size() / 2;
    RAGTIME_RETURN_IF_ERROR(EmbedParts(context, prefix, parts.first(half)));
    return EmbedParts(context, prefix, parts.subspan(half));
  }
  Part& part = parts[0];
  const size_t tokens = EstimateTokens(part.words);
  if (tokens <= kPartTokensMin) return failure;
  std::vector<Part> smaller;
  for (const std::string_view words : CutByTokens(part.words, (tokens + 1) / 2)) smaller.push_back({0, words});
  RAGTIME_RETURN_IF_ERROR(EmbedParts(context, prefix, smaller));
  part.vector.assign(info_.dimension, 0.0f);
  for (const Part& piece : smaller) {
    const float weight = WeightOf(piece.words);
    for (size_t d = 0; d < part.vector.size(); ++d) part.vector[d] += weight * piece.vector[d];
  }
  Normalize(part.vector);
  return Status();
}

Result<std::vector<std::vector<float>>> OpenAiEmbedder::Request(const Context& context,
                                                                const std::vector<std::string>& inputs, bool compares) {
  Json input(Json::Array{});
  if (compares) input.Append(kComparedText);
  for (const std::string& text : inputs) input.Append(text);
  const size_t count = input.AsArray().size();
  Json body;
  body.Set("model", options_.model).Set("input", std::move(input));
  body.Set("encoding_format", options_.base64 ? "base64" : "float");
  if (options_.dimensions > 0) body.Set("dimensions", uint64_t{options_.dimensions});
  std::vector<std::vector<float>> vectors;
  OpenAiServers::Course course;
  const auto read = [&](size_t server, const Json& answer) -> Status {
    Result<std::vector<std::vector<float>>> taken = ReadEmbeddings(answer, count);
    RAGTIME_RETURN_IF_ERROR(taken.status());
    vectors = *std::move(taken);
    const size_t dimension = info_.dimension > 0 ? info_.dimension : vectors[0].size();
    for (const std::vector<float>& vector : vectors) {
      if (vector.size() == dimension) continue;
      return DataLossError(
          StrCat("the server sent a vector of dimension ", vector.size(), " where others have ", dimension),
          "check embed.model and embed.dimensions, and whether the server has another model by now");
    }
    if (options_.dimensions > 0 && dimension != options_.dimensions) {
      return FailedPreconditionError(StrCat("the server sent vectors of dimension ", dimension,
                                            ", and embed.dimensions asks for ", options_.dimensions),
                                     "take embed.dimensions out: the model cannot be cut");
    }
    if (compares) return CheckServer(server, vectors[0]);
    return compared_[server] ? Status() : Status(StatusCode::kAborted, "the server has not been compared yet");
  };
  RAGTIME_RETURN_IF_ERROR(servers_->Post(context, body.Dump(), read, course));
  last_server_ = course.server;
  {
    std::lock_guard lock(mutex_);
    warning_ = std::move(course.warning);
  }
  // While it is being opened, the text to compare by is the only one.
  if (compares && !inputs.empty()) vectors.erase(vectors.begin());
  return vectors;
}

Status OpenAiEmbedder::CheckServer(size_t server, std::span<const float> vector) {
  if (!sketch_.empty() && !SketchesAgree(SketchOf(vector), sketch_)) {
    return FailedPreconditionError(
        StrCat("what the server calls \"", options_.model, "\" makes other vectors than those there are"),
        "have every server of embed.base_url run the same model in the same way, or ingest into another folder with "
        "--kb");
  }
  compared_[server] = true;
  return Status();
}

Status OpenAiEmbedder::condition() const {
  std::lock_guard lock(mutex_);
  return warning_.empty() ? Status() : UnavailableError(warning_, "look into the log of the first server");
}

ThreadPool& OpenAiEmbedder::Pool() {
  std::lock_guard lock(mutex_);
  if (!pool_) pool_ = std::make_unique<ThreadPool>(std::max<size_t>(1, options_.parallel));
  return *pool_;
}

}  // namespace ragtime
