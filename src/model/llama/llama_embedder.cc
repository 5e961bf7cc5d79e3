// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_embedder.h"

#include <llama.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/encoder.h"
#include "model/gguf_file.h"
#include "model/text_windows.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "fetch the model again, or name another one in embed.model";
// A longer window costs memory in proportion and a vector of so much text says little.
constexpr size_t kMaxTokensDefault = 2048;
// Tokens of one batch. All tokens of a batch are compared with each other, so a larger one loses more than it gains.
constexpr size_t kBatchTokens = 512;
constexpr size_t kBatchSequences = 64;

struct FreeModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
using ModelPointer = std::unique_ptr<llama_model, FreeModel>;
using ContextPointer = std::unique_ptr<llama_context, FreeContext>;

// llama.cpp writes to stderr unless told otherwise; the library never prints.
void Silence() {
  static std::once_flag once;
  std::call_once(once, [] { llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr); });
}

Result<ModelPointer> LoadModel(const std::filesystem::path& gguf, bool vocabulary_only) {
  Silence();
  llama_model_params parameters = llama_model_default_params();
  parameters.n_gpu_layers = 0;
  // Told of none, llama.cpp takes every GPU and copies the weights to it for each large batch.
  static ggml_backend_dev_t no_gpus[] = {nullptr};
  parameters.devices = no_gpus;
  parameters.vocab_only = vocabulary_only;
  try {
    ModelPointer model(llama_model_load_from_file(gguf.c_str(), parameters));
    if (model != nullptr) return model;
  } catch (const std::exception& error) {
    return DataLossError(StrCat("llama.cpp cannot load ", gguf.string(), ": ", error.what()), kRemedy);
  }
  return DataLossError(StrCat("llama.cpp cannot load ", gguf.string()), kRemedy);
}

// Ids of the file's own vocabulary, and what it puts around a text.
class Vocabulary {
 public:
  static Result<std::unique_ptr<Vocabulary>> Open(const std::filesystem::path& gguf) {
    RAGTIME_ASSIGN_OR_RETURN(ModelPointer model, LoadModel(gguf, /*vocabulary_only=*/true));
    if (llama_vocab_type(llama_model_get_vocab(model.get())) == LLAMA_VOCAB_TYPE_NONE) {
      return InvalidArgumentError(StrCat(gguf.string(), " has no vocabulary"),
                                  "name the model folder that it is part of in embed.model");
    }
    auto vocabulary = std::unique_ptr<Vocabulary>(new Vocabulary(std::move(model)));
    vocabulary->FindSpecials();
    return vocabulary;
  }

  const std::vector<int32_t>& begin() const { return begin_; }
  const std::vector<int32_t>& end() const { return end_; }

  void Encode(std::string_view text, bool specials, std::vector<int32_t>& ids) const {
    const size_t old_size = ids.size();
    // A token is at least a byte of the text, or a mark in front of it; the second try follows an answer of how many.
    size_t room = text.size() + 16;
    for (int attempt = 0; attempt < 2; ++attempt) {
      ids.resize(old_size + room);
      const int32_t count =
          llama_tokenize(vocabulary_, text.data(), static_cast<int32_t>(text.size()), ids.data() + old_size,
                         static_cast<int32_t>(room), specials, /*parse_special=*/false);
      ids.resize(old_size + static_cast<size_t>(std::max(count, 0)));
      if (count >= 0) return;
      room = static_cast<size_t>(-static_cast<int64_t>(count));
    }
  }

 private:
  explicit Vocabulary(ModelPointer model)
      : model_(std::move(model)), vocabulary_(llama_model_get_vocab(model_.get())) {}

  // What stands around the tokens of a word once special tokens are asked for.
  void FindSpecials() {
    std::vector<int32_t> bare;
    std::vector<int32_t> whole;
    Encode("a", false, bare);
    Encode("a", true, whole);
    const auto middle = std::search(whole.begin(), whole.end(), bare.begin(), bare.end());
    if (middle == whole.end() || bare.empty()) return;
    begin_.assign(whole.begin(), middle);
    end_.assign(middle + static_cast<ptrdiff_t>(bare.size()), whole.end());
  }

  ModelPointer model_;
  const llama_vocab* vocabulary_;
  std::vector<int32_t> begin_, end_;
};

class LlamaEncoder final : public Encoder {
 public:
  static Result<std::unique_ptr<Encoder>> Open(const std::filesystem::path& gguf, EncoderInfo info, size_t threads,
                                               std::shared_ptr<ThreadBudget> budget) {
    RAGTIME_ASSIGN_OR_RETURN(ModelPointer model, LoadModel(gguf, /*vocabulary_only=*/false));
    if (static_cast<size_t>(llama_model_n_embd_out(model.get())) != info.dimension) {
      return DataLossError(StrCat(gguf.string(), " declares another dimension than it has: ", info.dimension), kRemedy);
    }
    const size_t batch = std::max(kBatchTokens, info.max_tokens);
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = static_cast<uint32_t>(batch);
    parameters.n_batch = static_cast<uint32_t>(batch);
    parameters.n_ubatch = static_cast<uint32_t>(batch);
    parameters.n_seq_max = kBatchSequences;
    parameters.n_threads = static_cast<int32_t>(threads);
    parameters.n_threads_batch = static_cast<int32_t>(threads);
    parameters.embeddings = true;
    parameters.kv_unified = true;
    ContextPointer context(llama_init_from_model(model.get(), parameters));
    if (context != nullptr && llama_pooling_type(context.get()) == LLAMA_POOLING_TYPE_NONE) {
      // A model that does not say how to pool is one whose tokens are meant to be averaged.
      parameters.pooling_type = LLAMA_POOLING_TYPE_MEAN;
      context.reset(llama_init_from_model(model.get(), parameters));
    }
    if (context == nullptr)
      return ResourceExhaustedError(StrCat("llama.cpp cannot start ", gguf.string()), "free some memory");
    if (llama_pooling_type(context.get()) == LLAMA_POOLING_TYPE_RANK) {
      return InvalidArgumentError(StrCat(gguf.string(), " is a reranker, not an embedder"),
                                  "name another one in embed.model");
    }
    info.vocabulary_size = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model.get())));
    return std::unique_ptr<Encoder>(
        new LlamaEncoder(std::move(model), std::move(context), std::move(info), batch, threads, std::move(budget)));
  }

  ~LlamaEncoder() override { llama_batch_free(batch_); }

  const EncoderInfo& info() const override { return info_; }

  Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) override {
    for (const auto& ids : sequences) RAGTIME_RETURN_IF_ERROR(CheckSequence(info_, ids));
    std::lock_guard lock(mutex_);
    for (size_t begin = 0; begin < sequences.size();) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      size_t end = begin;
      batch_.n_tokens = 0;
      do {
        Add(sequences[end], static_cast<llama_seq_id>(end - begin));
        ++end;
      } while (end < sequences.size() && end - begin < kBatchSequences &&
               static_cast<size_t>(batch_.n_tokens) + sequences[end].size() <= batch_tokens_);
      RAGTIME_ASSIGN_OR_RETURN(const ThreadBudget::Share share, TakeThreads(context));
      RAGTIME_RETURN_IF_ERROR(RunBatch(end - begin, out + begin * info_.dimension));
      begin = end;
    }
    return Status();
  }

 private:
  LlamaEncoder(ModelPointer model, ContextPointer context, EncoderInfo info, size_t batch_tokens, size_t threads,
               std::shared_ptr<ThreadBudget> budget)
      : info_(std::move(info)),
        batch_tokens_(batch_tokens),
        threads_(threads),
        budget_(std::move(budget)),
        model_(std::move(model)),
        context_(std::move(context)),
        batch_(llama_batch_init(static_cast<int32_t>(batch_tokens), 0, 1)) {}

  // For the next batch.
  Result<ThreadBudget::Share> TakeThreads(const Context& context) {
    if (budget_ == nullptr) return ThreadBudget::Share();
    if (!context.in_background) return budget_->TakeForQuestion(threads_);
    ThreadBudget::Share share;
    if (context.in_background) {
      RAGTIME_ASSIGN_OR_RETURN(share, budget_->TakeForBackground(context, threads_));
    } else {
      share = budget_->TakeForQuestion(threads_);
    }
    const auto count = static_cast<int32_t>(share.threads());
    llama_set_n_threads(context_.get(), count, count);
    return share;
  }

  void Add(const std::vector<int32_t>& ids, llama_seq_id sequence) {
    for (size_t position = 0; position < ids.size(); ++position) {
      const auto i = static_cast<size_t>(batch_.n_tokens++);
      batch_.token[i] = ids[position];
      batch_.pos[i] = static_cast<llama_pos>(position);
      batch_.n_seq_id[i] = 1;
      batch_.seq_id[i][0] = sequence;
      batch_.logits[i] = 1;
    }
  }

  Status RunBatch(size_t sequences, float* out) {
    // Decoders have a memory of earlier tokens; encoders have none.
    if (llama_memory_t memory = llama_get_memory(context_.get()); memory != nullptr) llama_memory_clear(memory, true);
    int32_t failed;
    try {
      failed = llama_decode(context_.get(), batch_);
    } catch (const std::exception& error) {
      return InternalError(StrCat("llama.cpp failed at embedding: ", error.what()));
    }
    if (failed != 0)
      return InternalError(StrCat("llama.cpp failed at embedding ", batch_.n_tokens, " tokens: ", failed));
    for (size_t s = 0; s < sequences; ++s) {
      const float* vector = llama_get_embeddings_seq(context_.get(), static_cast<llama_seq_id>(s));
      if (vector == nullptr) return InternalError("llama.cpp gave no vector");
      std::memcpy(out + s * info_.dimension, vector, info_.dimension * sizeof(float));
    }
    return Status();
  }

  EncoderInfo info_;
  const size_t batch_tokens_;
  const size_t threads_;
  const std::shared_ptr<ThreadBudget> budget_;
  std::mutex mutex_;  // Guards what follows.
  ModelPointer model_;
  ContextPointer context_;
  llama_batch batch_;
};

class LlamaEmbedder final : public Embedder {
 public:
  LlamaEmbedder(LlamaEmbedderOptions options, EmbedderInfo info, std::unique_ptr<Vocabulary> vocabulary)
      : options_(std::move(options)), info_(std::move(info)), vocabulary_(std::move(vocabulary)) {}

  const EmbedderInfo& info() const override { return info_; }

  size_t CountTokens(std::string_view text) const override {
    if (options_.tokenizer != nullptr) return options_.tokenizer->Count(text);
    std::vector<int32_t> ids;
    vocabulary_->Encode(text, /*specials=*/false, ids);
    return ids.size();
  }

  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override {
    TextEncoding encoding;
    encoding.model = info_.model;
    encoding.dimension = info_.dimension;
    encoding.max_tokens = info_.max_tokens;
    if (options_.tokenizer != nullptr) {
      encoding.begin = {options_.tokenizer->special().begin};
      encoding.end = {options_.tokenizer->special().end};
      encoding.tokenize = [this](std::string_view text, std::vector<int32_t>& ids) {
        options_.tokenizer->Encode(text, ids);
      };
    } else {
      encoding.begin = vocabulary_->begin();
      encoding.end = vocabulary_->end();
      encoding.tokenize = [this](std::string_view text, std::vector<int32_t>& ids) {
        vocabulary_->Encode(text, false, ids);
      };
    }
    encoding.choose = [this](size_t) { return GetEncoder(); };
    return EmbedTexts(context, encoding, kind == TextKind::kQuery ? options_.query_prefix : options_.passage_prefix,
                      texts);
  }

 private:
  Result<std::shared_ptr<Encoder>> GetEncoder() {
    std::lock_guard lock(mutex_);
    if (encoder_ == nullptr) {
      const size_t threads = options_.threads > 0 ? options_.threads : AvailableCores();
      RAGTIME_ASSIGN_OR_RETURN(
          encoder_, LlamaEncoder::Open(options_.gguf, {"llama.cpp", info_.dimension, info_.max_tokens, 0}, threads,
                                       options_.budget));
    }
    return encoder_;
  }

  const LlamaEmbedderOptions options_;
  const EmbedderInfo info_;
  const std::unique_ptr<Vocabulary> vocabulary_;  // Null where options_.tokenizer is used.
  std::mutex mutex_;
  std::shared_ptr<Encoder> encoder_;  // Guarded by mutex_.
};

// Every 64th page of the file and its end: whatever changes a model's vectors changes tensors from end to end.
Result<std::string> Fingerprint(const std::filesystem::path& gguf) {
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(gguf));
  constexpr size_t kPage = 4096;
  std::string sample = StrCat(file.text().size(), ":");
  for (size_t at = 0; at < file.text().size(); at += 64 * kPage) sample += file.text().substr(at, kPage);
  sample += file.text().substr(file.text().size() - std::min(file.text().size(), kPage));
  return HashHex(sample);
}

// Reads the header with our own reader first, for llama.cpp's asserts, that is ends the process, on some damaged files.
Result<EmbedderInfo> ReadInfo(const LlamaEmbedderOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(options.gguf));
  const std::string architecture(file.String("general.architecture").value_or(""));
  const auto size = [&](const char* key) { return file.Integer(StrCat(architecture, ".", key)).value_or(0); };
  const uint64_t dimension = size("embedding_length");
  const uint64_t context = size("context_length");
  const uint64_t heads = size("attention.head_count");
  const uint64_t layers = size("block_count");
  if (architecture.empty() || dimension == 0 || dimension > 65536 || context < 3 || context > (1u << 24) ||
      layers == 0 || layers > 512 || heads == 0 || heads > dimension || dimension % heads != 0) {
    return InvalidArgumentError(
        StrCat(options.gguf.string(), " is not a language model in GGUF: architecture '", architecture, "', dimension ",
               dimension, ", context ", context, ", layers ", layers, ", heads ", heads),
        kRemedy);
  }
  EmbedderInfo info;
  info.dimension = dimension;
  info.max_tokens = std::min<size_t>(context, options.max_tokens > 0 ? options.max_tokens : kMaxTokensDefault);
  info.found_threshold = options.found_threshold;
  info.model = !options.model.empty() ? options.model : std::string(file.String("general.name").value_or(""));
  if (info.model.empty()) info.model = options.gguf.stem().string();
  info.fingerprint = options.fingerprint;
  return info;
}

}  // namespace

Result<std::unique_ptr<Embedder>> OpenLlamaEmbedder(LlamaEmbedderOptions options) {
  RAGTIME_ASSIGN_OR_RETURN(EmbedderInfo info, ReadInfo(options));
  if (info.fingerprint.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(info.fingerprint, Fingerprint(options.gguf));
  }
  std::unique_ptr<Vocabulary> vocabulary;
  if (options.tokenizer == nullptr) {
    RAGTIME_ASSIGN_OR_RETURN(vocabulary, Vocabulary::Open(options.gguf));
  }
  return std::unique_ptr<Embedder>(
      std::make_unique<LlamaEmbedder>(std::move(options), std::move(info), std::move(vocabulary)));
}

}  // namespace ragtime
