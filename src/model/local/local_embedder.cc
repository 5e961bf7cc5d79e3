// SPDX-License-Identifier: Apache-2.0
#include "model/local/local_embedder.h"

#include <mutex>
#include <utility>

#include "base/files.h"
#include "base/str_cat.h"
#include "model/local/bert_encoder.h"
#include "model/local/bert_kernels.h"
#include "model/local/question_vectors.h"
#include "model/text_windows.h"
#include "text/tokenizer.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "run tools/setup.sh to make the model again";

// From so many tokens on, loading the batch encoder (0.1 to 0.2 s from its cache) is earned back where it is faster.
constexpr size_t kBatchTokensMin = 8192;

// Measured (docs/embedding.md): our own kernels embed faster than OpenVINO with AVX2 and with AVX-512 VNNI. They have
// no code for AMX tiles, where bf16 products are several times faster, nor for processors older than AVX2.
bool BatchEncoderIsFaster() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("amx-bf16")) return true;
#endif
  return SupportedBertKernels().size() == 1;
}

struct Manifest {
  EmbedderInfo info;
  std::string query_prefix, passage_prefix;
  std::filesystem::path tokenizer, gguf, graph;  // graph is empty where the model has none.
};

Result<Manifest> ReadManifest(const std::filesystem::path& folder) {
  const auto file = folder / "model.json";
  const auto fail = [&](std::string_view why) { return DataLossError(StrCat(file.string(), " ", why), kRemedy); };
  auto text = ReadFile(file, 1 << 20);
  if (!text.ok()) {
    return Status(text.status().code(), text.status().message(),
                  "run tools/setup.sh to make the models, or name a model folder in embed.model");
  }
  const auto parsed = Json::Parse(*text);
  if (!parsed.ok()) return parsed.status().Annotate(file.string());
  const Json& json = *parsed;
  if (json["schema"].AsInt() != 1) return fail(StrCat("has a schema that is not 1: ", json["schema"].AsInt()));
  if (json["kind"].AsString() != "embedder")
    return fail(StrCat("describes no embedder but: ", json["kind"].AsString()));
  if (json["pooling"].AsString("mean") != "mean")
    return fail(StrCat("asks for a pooling that is not mean: ", json["pooling"].AsString()));
  const int64_t dimension = json["dimension"].AsInt();
  const int64_t max_tokens = json["max_tokens"].AsInt();
  if (dimension < 1 || dimension > 65536) return fail(StrCat("has an impossible dimension: ", dimension));
  if (max_tokens < 3 || max_tokens > 65536) return fail(StrCat("has an impossible max_tokens: ", max_tokens));
  if (json["fingerprint"].AsString().empty()) return fail("has no fingerprint");
  for (const char* key : {"tokenizer", "encoder_gguf"}) {
    if (json[key].AsString().empty()) return fail(StrCat("has no ", key));
  }
  Manifest manifest;
  manifest.info = {json["name"].AsString(), json["fingerprint"].AsString(), static_cast<size_t>(dimension),
                   static_cast<size_t>(max_tokens), static_cast<float>(json["found_threshold"].AsDouble())};
  manifest.query_prefix = json["query_prefix"].AsString();
  manifest.passage_prefix = json["passage_prefix"].AsString();
  manifest.tokenizer = folder / json["tokenizer"].AsString();
  manifest.gguf = folder / json["encoder_gguf"].AsString();
  if (const std::string graph = json["encoder_openvino"].AsString(); !graph.empty()) manifest.graph = folder / graph;
  return manifest;
}

class FolderEmbedder final : public LocalEmbedder {
 public:
  FolderEmbedder(LocalEmbedderOptions options, Manifest manifest, std::unique_ptr<Tokenizer> tokenizer,
                 BatchEncoderFactory batch)
      : options_(std::move(options)),
        manifest_(std::move(manifest)),
        tokenizer_(std::move(tokenizer)),
        open_batch_(std::move(batch)) {}

  const EmbedderInfo& info() const override { return manifest_.info; }
  size_t CountTokens(std::string_view text) const override { return tokenizer_->Count(text); }
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override;

  std::vector<std::string> Notes() const override {
    std::lock_guard lock(mutex_);
    return notes_;
  }
  std::vector<std::string> Engines() const override {
    std::lock_guard lock(mutex_);
    std::vector<std::string> engines;
    for (const auto& encoder : {small_, batch_}) {
      if (encoder != nullptr) engines.push_back(encoder->info().engine);
    }
    return engines;
  }

 private:
  Result<std::shared_ptr<Encoder>> Choose(size_t tokens);
  Status OpenModel();
  Status OpenSmall();
  Status OpenBatch();
  Status CheckEncoder(const EncoderInfo& encoder) const;

  const LocalEmbedderOptions options_;
  const Manifest manifest_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  QuestionVectors questions_;

  mutable std::mutex mutex_;        // Guards what follows.
  BatchEncoderFactory open_batch_;  // Null once it was called or where there is none.
  std::shared_ptr<const BertModel> model_;
  std::shared_ptr<Encoder> small_;
  std::shared_ptr<Encoder> batch_;
  Status batch_status_;  // Why there is no batch encoder.
  std::vector<std::string> notes_;
};

Result<std::vector<float>> FolderEmbedder::Embed(const Context& context, std::span<const std::string> texts,
                                                 TextKind kind) {
  const bool is_question = kind == TextKind::kQuery && texts.size() == 1;
  if (is_question) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (std::optional<std::vector<float>> known = questions_.Find(texts[0])) return *std::move(known);
  }
  const SpecialTokens& special = tokenizer_->special();
  const TextEncoding encoding = {
      manifest_.info.model,
      manifest_.info.dimension,
      manifest_.info.max_tokens,
      {special.begin},
      {special.end},
      [this](std::string_view text, std::vector<int32_t>& ids) { tokenizer_->Encode(text, ids); },
      [this](size_t tokens) { return Choose(tokens); }};
  Result<std::vector<float>> vectors = EmbedTexts(
      context, encoding, kind == TextKind::kQuery ? manifest_.query_prefix : manifest_.passage_prefix, texts);
  if (is_question && vectors.ok()) questions_.Keep(texts[0], *vectors);
  return vectors;
}

Result<std::shared_ptr<Encoder>> FolderEmbedder::Choose(size_t tokens) {
  std::lock_guard lock(mutex_);
  const bool wants_batch = options_.choice == EncoderChoice::kBatch ||
                           (options_.choice == EncoderChoice::kAuto &&
                            (batch_ != nullptr || (tokens >= kBatchTokensMin && BatchEncoderIsFaster())));
  if (wants_batch) {
    if (batch_ == nullptr && batch_status_.ok()) {
      batch_status_ = OpenBatch();
      if (!batch_status_.ok() && options_.choice == EncoderChoice::kAuto) {
        notes_.push_back(StrCat("texts are embedded without OpenVINO: ", batch_status_.message()));
      }
    }
    if (batch_ != nullptr) return batch_;
    if (options_.choice == EncoderChoice::kBatch) return batch_status_;
  }
  if (small_ == nullptr) RAGTIME_RETURN_IF_ERROR(OpenSmall());
  return small_;
}

Status FolderEmbedder::CheckEncoder(const EncoderInfo& encoder) const {
  if (encoder.dimension != manifest_.info.dimension || encoder.max_tokens < manifest_.info.max_tokens ||
      encoder.vocabulary_size < tokenizer_->vocabulary_size()) {
    return DataLossError(
        StrCat("model.json, the tokenizer and the weights of ", manifest_.info.model,
               " do not belong together: dimension ", manifest_.info.dimension, " and ", encoder.dimension,
               ", max_tokens ", manifest_.info.max_tokens, " and ", encoder.max_tokens, ", vocabulary ",
               tokenizer_->vocabulary_size(), " and ", encoder.vocabulary_size),
        kRemedy);
  }
  return Status();
}

Status FolderEmbedder::OpenModel() {
  if (model_ != nullptr) return Status();
  RAGTIME_ASSIGN_OR_RETURN(model_, BertModel::Open(manifest_.gguf));
  return Status();
}

Status FolderEmbedder::OpenSmall() {
  RAGTIME_RETURN_IF_ERROR(OpenModel());
  RAGTIME_ASSIGN_OR_RETURN(
      std::shared_ptr<Encoder> encoder,
      MakeBertEncoder(model_, {.threads = options_.threads, .kernels = {}, .budget = options_.budget}));
  RAGTIME_RETURN_IF_ERROR(CheckEncoder(encoder->info()));
  small_ = std::move(encoder);
  return Status();
}

Status FolderEmbedder::OpenBatch() {
  const BatchEncoderFactory open = std::exchange(open_batch_, nullptr);
  if (open == nullptr) return UnavailableError("this program was built without OpenVINO");
  if (manifest_.graph.empty())
    return UnavailableError(StrCat("the model ", manifest_.info.model, " has no OpenVINO graph"));
  RAGTIME_RETURN_IF_ERROR(OpenModel());
  RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<Encoder> encoder, open(manifest_.graph, model_->input()));
  RAGTIME_RETURN_IF_ERROR(CheckEncoder(encoder->info()));
  batch_ = std::move(encoder);
  return Status();
}

}  // namespace

Result<std::unique_ptr<LocalEmbedder>> LocalEmbedder::Open(const LocalEmbedderOptions& options,
                                                           BatchEncoderFactory batch) {
  RAGTIME_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(options.folder));
  RAGTIME_ASSIGN_OR_RETURN(auto tokenizer, OpenTokenizer(manifest.tokenizer));
  return std::unique_ptr<LocalEmbedder>(
      std::make_unique<FolderEmbedder>(options, std::move(manifest), std::move(tokenizer), std::move(batch)));
}

}  // namespace ragtime
