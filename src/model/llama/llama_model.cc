// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_model.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "model/llama/chat_format.h"

namespace ragtime {
namespace {

// What llama.cpp last complained about on this thread. The library prints nothing itself.
thread_local std::string last_complaint;

void TakeLog(ggml_log_level level, const char* text, void*) {
  if (level != GGML_LOG_LEVEL_ERROR) return;
  last_complaint = text;
  while (!last_complaint.empty() && last_complaint.back() == '\n') last_complaint.pop_back();
}

void StartBackend() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(&TakeLog, nullptr);
    llama_backend_init();
  });
  last_complaint.clear();
}

std::string WithComplaint(std::string message) {
  if (!last_complaint.empty()) message += ": " + last_complaint;
  return message;
}

// Called between the operations of a computation; true ends it.
bool ShouldAbort(void* user) {
  const std::function<bool()>* abort = *static_cast<const std::function<bool()>**>(user);
  return abort != nullptr && (*abort)();
}

// The bytes of a large file by its size and some of them, so that it need not be read whole.
Result<std::string> SampledHash(const std::filesystem::path& path) {
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  constexpr size_t kBlock = 64 << 10;
  constexpr size_t kBlocks = 64;
  const std::string_view bytes = file.text();
  std::string digest = StrCat(bytes.size());
  for (size_t i = 0; i < kBlocks; ++i) {
    digest += StrCat(",", Hash64(bytes.substr(bytes.size() / kBlocks * i, kBlock)));
  }
  return HashHex(digest);
}

// What the model's file says under `key`, behind the name of its architecture; `otherwise` where it says nothing.
float NumberOf(const llama_model* model, std::string_view key, float otherwise) {
  char text[128];
  if (llama_model_meta_val_str(model, "general.architecture", text, sizeof(text)) < 0) return otherwise;
  const int32_t size = llama_model_meta_val_str(model, StrCat(text, key).c_str(), text, sizeof(text));
  float number = otherwise;
  if (size > 0) std::from_chars(text, text + std::min<size_t>(static_cast<size_t>(size), sizeof(text) - 1), number);
  return number;
}

// nullopt: it turns its keys in ways that are not known here.
std::optional<RopeShape> RopeShapeOf(const llama_model* model) {
  const llama_rope_type type = llama_model_rope_type(model);
  const int32_t heads = llama_model_n_head(model);
  if ((type != LLAMA_ROPE_TYPE_NORM && type != LLAMA_ROPE_TYPE_NEOX) || heads <= 0) return std::nullopt;
  const auto evenly = static_cast<float>(llama_model_n_embd(model) / heads);
  RopeShape shape{.heads = static_cast<size_t>(std::max(0, llama_model_n_head_kv(model))),
                  .head_size = static_cast<size_t>(NumberOf(model, ".attention.key_length", evenly)),
                  .neighbours = type == LLAMA_ROPE_TYPE_NORM,
                  .base = NumberOf(model, ".rope.freq_base", 10000),
                  .scale = llama_model_rope_freq_scale_train(model)};
  shape.turned = static_cast<size_t>(NumberOf(model, ".rope.dimension_count", static_cast<float>(shape.head_size)));
  if (shape.heads == 0 || shape.turned == 0 || shape.turned > shape.head_size || shape.turned % 2 != 0) {
    return std::nullopt;
  }
  return shape;
}

// Whether kernels of ours compute all that rounds in other ways in other batches. Where there is AMX, llama.cpp packs
// the weights for it. Nobody has looked at other kinds of models, nor at attention with limits or windows.
bool RoundsAlike(const llama_model* model, const std::optional<RopeShape>& rope) {
  char kind[64];
  char weights[16];
  if (llama_model_meta_val_str(model, "general.architecture", kind, sizeof(kind)) < 0 ||
      llama_model_meta_val_str(model, "general.file_type", weights, sizeof(weights)) < 0) {
    return false;
  }
  const std::string_view name = kind;
  return (name == "llama" || name == "qwen2" || name == "qwen3") && std::atoi(weights) == LLAMA_FTYPE_MOSTLY_Q8_0 &&
         NumberOf(model, ".expert_count", 0) == 0 && rope && rope->head_size % 32 == 0 &&
         llama_model_n_swa(model) == 0 && ggml_cpu_has_avx512() != 0 && ggml_cpu_has_avx512_vnni() != 0 &&
         ggml_cpu_has_amx_int8() == 0;
}

size_t CountGpus() {
  size_t count = 0;
  for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    count += ggml_backend_dev_type(ggml_backend_dev_get(i)) == GGML_BACKEND_DEVICE_TYPE_GPU ? 1 : 0;
  }
  return count;
}

// Writes the placement into `params`.
Status Place(const LlamaPlacement& placement, llama_model_params& params) {
  const size_t gpus = llama_supports_gpu_offload() ? CountGpus() : 0;
  if (placement.gpu_layers > 0 && gpus == 0) {
    return FailedPreconditionError(
        StrCat("llm.gpu_layers is ", placement.gpu_layers, ", and there is no GPU that this build can use"),
        "build with tools/setup.sh --cuda on a machine with an NVIDIA GPU, or set llm.gpu_layers: 0");
  }
  // Negative: all of them, the output too.
  params.n_gpu_layers = gpus == 0 ? 0 : placement.gpu_layers;
  if (params.n_gpu_layers == 0) {
    // Told of none, llama.cpp takes every GPU and copies the weights to it for each large batch.
    static ggml_backend_dev_t none[] = {nullptr};
    params.devices = none;
    return Status();
  }
  params.split_mode = placement.split_mode == "none"     ? LLAMA_SPLIT_MODE_NONE
                      : placement.split_mode == "tensor" ? LLAMA_SPLIT_MODE_TENSOR
                                                         : LLAMA_SPLIT_MODE_LAYER;
  // One GPU has nothing to split, and llama.cpp is slower where it is told to.
  if (gpus == 1) params.split_mode = LLAMA_SPLIT_MODE_NONE;
  if (placement.main_gpu >= gpus) {
    return FailedPreconditionError(StrCat("llm.main_gpu is ", placement.main_gpu, ", and there are ", gpus, " GPUs"),
                                   StrCat("set llm.main_gpu to a number from 0 to ", gpus - 1));
  }
  params.main_gpu = static_cast<int32_t>(placement.main_gpu);
  return Status();
}

}  // namespace

Result<std::unique_ptr<LlamaModel>> LlamaModel::Load(const std::filesystem::path& gguf,
                                                     const LlamaPlacement& placement) {
  StartBackend();
  llama_model_params params = llama_model_default_params();
  RAGTIME_RETURN_IF_ERROR(Place(placement, params));
  params.load_mode = LLAMA_LOAD_MODE_MMAP;
  std::unique_ptr<LlamaModel> model(new LlamaModel);
  model->weights_.reset(llama_model_load_from_file(gguf.c_str(), params), &llama_model_free);
  model->model_ = model->weights_.get();
  if (model->model_ == nullptr) {
    return DataLossError(WithComplaint(StrCat("llama.cpp cannot load the language model ", gguf.string())),
                         "fetch the file again, or set llm.model to another GGUF file");
  }
  model->vocab_ = llama_model_get_vocab(model->model_);
  const auto only_token = [&](std::string_view text) {
    const std::vector<llama_token> tokens = model->Tokenize(text, true);
    return tokens.size() == 1 ? tokens[0] : LLAMA_TOKEN_NULL;
  };
  model->think_open_ = only_token("<think>");
  model->think_close_ = only_token("</think>");
  RAGTIME_ASSIGN_OR_RETURN(const std::string weights, SampledHash(gguf));
  model->on_cpu_ = params.n_gpu_layers == 0;
  model->keeps_bytes_ = placement.kv_type == "q8_0";
  const std::optional<RopeShape> rope = RopeShapeOf(model->model_);
  if (rope && !model->keeps_bytes_) model->turner_.emplace(*rope);
  model->rounds_alike_ = model->on_cpu_ && !model->keeps_bytes_ && RoundsAlike(model->model_, rope);
  // What else decides what a cell holds: how llama.cpp writes it, its version, and what keys and values are.
  model->fingerprint_ =
      HashHex(StrCat(weights, " state ", LLAMA_STATE_SEQ_VERSION, " ggml ", ggml_version(), " ", placement.kv_type));
  return model;
}

LlamaModel::~LlamaModel() {
  if (context_ != nullptr) llama_free(context_);
}

Result<LlamaModel::Prompt> LlamaModel::BuildPrompt(std::span<const ChatMessage> messages, std::span<const Span> chunks,
                                                   bool may_think) const {
  if (messages.empty()) return InvalidArgumentError("the conversation is empty");
  RAGTIME_ASSIGN_OR_RETURN(const ChatFormat format,
                           FormatChat(llama_model_chat_template(model_, nullptr), messages, may_think));
  Prompt prompt;
  const auto append = [&](const std::vector<llama_token>& tokens) {
    prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
  };
  for (size_t i = 0; i < format.pieces.size(); ++i) {
    const size_t before = prompt.tokens.size();
    append(Tokenize(format.pieces[i], true));
    prompt.tail = prompt.tokens.size() - before;
    if (i >= messages.size()) break;
    const std::string_view content = messages[i].content;
    size_t done = 0;
    for (const Span& chunk : i + 1 == messages.size() ? chunks : std::span<const Span>()) {
      append(Tokenize(content.substr(done, chunk.start - done), false));
      const size_t start = prompt.tokens.size();
      append(Tokenize(content.substr(chunk.start, chunk.end - chunk.start), false));
      prompt.chunks.push_back({start, prompt.tokens.size()});
      done = chunk.end;
    }
    append(Tokenize(content.substr(done), false));
  }
  const llama_token bos = llama_vocab_bos(vocab_);
  if (llama_vocab_get_add_bos(vocab_) && (prompt.tokens.empty() || prompt.tokens.front() != bos)) {
    prompt.tokens.insert(prompt.tokens.begin(), bos);
    for (TokenRange& chunk : prompt.chunks) chunk = {chunk.start + 1, chunk.end + 1};
  }
  prompt.opens_think = format.opens_think;
  if (format.thinks && may_think) prompt.close_think = Tokenize(kCloseThink, true);
  return prompt;
}

std::vector<llama_token> LlamaModel::Tokenize(std::string_view text, bool parse_special) const {
  if (text.empty()) return {};
  if (!parse_special) {
    if (std::optional<std::vector<Token>> known = texts_.Find(text)) return *std::move(known);
  }
  // A token is at least a byte, but for a space put in front; a normaliser may still add some.
  std::vector<llama_token> tokens(text.size() + 8);
  for (int round = 0; round < 2; ++round) {
    const int32_t count = llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                         static_cast<int32_t>(tokens.size()), false, parse_special);
    if (count >= 0) {
      tokens.resize(static_cast<size_t>(count));
      if (!parse_special) texts_.Keep(text, tokens);
      return tokens;
    }
    if (count == INT32_MIN) break;
    tokens.resize(static_cast<size_t>(-count));
  }
  return {};
}

std::string LlamaModel::Piece(Token token) const {
  // Where they are control tokens they would have no text, and nobody could tell thinking from the answer.
  if (token == think_open_) return "<think>";
  if (token == think_close_) return "</think>";
  std::string piece(64, '\0');
  for (int round = 0; round < 2; ++round) {
    const int32_t size =
        llama_token_to_piece(vocab_, token, piece.data(), static_cast<int32_t>(piece.size()), 0, false);
    piece.resize(static_cast<size_t>(size < 0 ? -size : size));
    if (size >= 0) return piece;
  }
  return "";
}

const std::vector<std::string>& LlamaModel::Pieces() {
  if (pieces_.empty()) {
    pieces_.reserve(vocabulary_size());
    for (size_t i = 0; i < vocabulary_size(); ++i) pieces_.push_back(Piece(static_cast<llama_token>(i)));
  }
  return pieces_;
}

size_t LlamaModel::ContextTokens(size_t tokens_max) const {
  const int32_t trained = llama_model_n_ctx_train(model_);
  return trained > 0 ? std::min(tokens_max, static_cast<size_t>(trained)) : tokens_max;
}

Status LlamaModel::StartContext(size_t cells, size_t sequences, size_t threads) {
  thread_count_ = threads;
  RAGTIME_RETURN_IF_ERROR(MakeContext(cells, sequences));
  // Without a pool of its own, ggml starts and joins its threads anew for every token.
  ggml_threadpool_params pool = ggml_threadpool_params_default(static_cast<int>(threads));
  if (ggml_threadpool* made = ggml_threadpool_new(&pool); made != nullptr) threads_.reset(made, &ggml_threadpool_free);
  if (threads_ != nullptr) llama_attach_threadpool(context_, threads_.get(), threads_.get());
  return Status();
}

Result<std::unique_ptr<LlamaModel>> LlamaModel::StartSecondContext(size_t cells, size_t sequences) const {
  std::unique_ptr<LlamaModel> second(new LlamaModel);
  second->weights_ = weights_;
  second->model_ = model_;
  second->vocab_ = vocab_;
  second->on_cpu_ = on_cpu_;
  second->keeps_bytes_ = keeps_bytes_;
  second->thread_count_ = thread_count_;
  second->threads_ = threads_;
  second->fingerprint_ = fingerprint_;
  second->think_open_ = think_open_;
  second->think_close_ = think_close_;
  RAGTIME_RETURN_IF_ERROR(second->MakeContext(cells, sequences));
  if (threads_ != nullptr) llama_attach_threadpool(second->context_, threads_.get(), threads_.get());
  return second;
}

Status LlamaModel::MakeContext(size_t cells, size_t sequences) {
  last_complaint.clear();
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(cells);
  params.n_batch = kBatchTokensMax;
  params.n_ubatch = kBatchTokensMax;
  params.n_seq_max = static_cast<uint32_t>(sequences);
  // One pool of cells for all sequences, so that they can share and need no equal parts.
  params.kv_unified = true;
  params.n_threads = static_cast<int32_t>(thread_count_);
  params.n_threads_batch = static_cast<int32_t>(thread_count_);
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
  if (keeps_bytes_) params.type_k = params.type_v = GGML_TYPE_Q8_0;
  params.cb_eval = observer_;
  params.cb_eval_user_data = observer_data_;
  params.abort_callback = &ShouldAbort;
  params.abort_callback_data = &abort_;
  context_ = llama_init_from_model(model_, params);
  if (context_ == nullptr) {
    return ResourceExhaustedError(WithComplaint(StrCat("llama.cpp cannot make a context of ", cells, " tokens")),
                                  keeps_bytes_ ? "set llm.kv_type: f16, lower llm.kv_tokens, or free some memory"
                                               : "lower llm.context_tokens or llm.kv_tokens, or free some memory");
  }
  cells_ = std::min(cells, static_cast<size_t>(llama_n_ctx_seq(context_)));
  sequences_ = sequences;
  return Status();
}

void LlamaModel::SetThreads(size_t threads, size_t read_threads) {
  llama_set_n_threads(context_, static_cast<int32_t>(threads), static_cast<int32_t>(read_threads));
}

bool LlamaModel::keeps_beginnings() const {
  return !llama_model_is_recurrent(model_) && !llama_model_is_hybrid(model_) && llama_model_n_swa(model_) == 0;
}

Status LlamaModel::Compute(std::span<const BatchToken> tokens, const std::function<bool()>& abort) {
  last_complaint.clear();
  std::vector<llama_token> ids;
  std::vector<llama_pos> positions;
  std::vector<llama_seq_id> sequences;
  std::vector<int8_t> wants_scores;
  for (const BatchToken& token : tokens) {
    ids.push_back(token.token);
    positions.push_back(static_cast<llama_pos>(token.position));
    sequences.push_back(token.sequence);
    wants_scores.push_back(token.wants_scores ? 1 : 0);
  }
  std::vector<int32_t> sequence_counts(tokens.size(), 1);
  std::vector<llama_seq_id*> sequence_lists;
  for (llama_seq_id& sequence : sequences) sequence_lists.push_back(&sequence);
  llama_batch batch{};
  batch.n_tokens = static_cast<int32_t>(tokens.size());
  batch.token = ids.data();
  batch.pos = positions.data();
  batch.n_seq_id = sequence_counts.data();
  batch.seq_id = sequence_lists.data();
  batch.logits = wants_scores.data();
  abort_ = &abort;
  const int32_t code = llama_decode(context_, batch);
  abort_ = nullptr;
  // A GPU may still compute, and what comes next is chosen by how long this took.
  if (code == 0 && !on_cpu_) llama_synchronize(context_);
  if (code == 0) return Status();
  if (code == 1) {
    return ResourceExhaustedError("the memory of the language model is full", "raise llm.kv_tokens");
  }
  if (code == 2) return Status(StatusCode::kAborted, "the computation was ended");
  return InternalError(WithComplaint(StrCat("llama.cpp failed to compute (code ", code, ")")));
}

std::span<float> LlamaModel::Scores(size_t index) {
  return {llama_get_logits_ith(context_, static_cast<int32_t>(index)), vocabulary_size()};
}

void LlamaModel::Forget(int sequence, size_t position) {
  // Models whose state cannot be cut drop everything.
  llama_memory_t memory = llama_get_memory(context_);
  if (!llama_memory_seq_rm(memory, sequence, static_cast<llama_pos>(position), -1)) {
    llama_memory_seq_rm(memory, sequence, -1, -1);
  }
}

void LlamaModel::Share(int from, int to, size_t start, size_t end) {
  llama_memory_seq_cp(llama_get_memory(context_), from, to, static_cast<llama_pos>(start), static_cast<llama_pos>(end));
}

Result<std::vector<std::byte>> LlamaModel::SaveState(int sequence) {
  last_complaint.clear();
  std::vector<std::byte> state(llama_state_seq_get_size(context_, sequence));
  const size_t size =
      llama_state_seq_get_data(context_, reinterpret_cast<uint8_t*>(state.data()), state.size(), sequence);
  if (size == 0) return InternalError(WithComplaint("llama.cpp could not save a state"));
  state.resize(size);
  return state;
}

bool LlamaModel::moves() const { return keeps_beginnings() && llama_memory_can_shift(llama_get_memory(context_)); }

Status LlamaModel::LoadMoved(int sequence, std::span<const std::byte> state, ptrdiff_t by) {
  if (!turner_checked_) CheckTurner(sequence, state);
  if (turner_) {
    const Result<std::vector<std::byte>> moved = turner_->Move(state, by);
    if (moved.ok()) return LoadState(sequence, *moved);
  }
  RAGTIME_RETURN_IF_ERROR(LoadState(sequence, state));
  llama_memory_seq_add(llama_get_memory(context_), sequence, -1, -1, static_cast<llama_pos>(by));
  return Status();
}

// Moves the state as llama.cpp does, and gives the turner up where it does something else.
void LlamaModel::CheckTurner(int sequence, std::span<const std::byte> state) {
  // So far that no pair is turned too slowly to be seen.
  constexpr ptrdiff_t kFar = 4096;
  const auto turner = std::exchange(turner_, std::nullopt);
  turner_checked_ = true;
  if (!turner) return;
  if (!LoadState(sequence, state).ok()) return;
  llama_memory_t memory = llama_get_memory(context_);
  llama_memory_seq_add(memory, sequence, -1, -1, kFar);
  // It turns them when it computes next: one token behind them.
  const auto end = static_cast<size_t>(llama_memory_seq_pos_max(memory, sequence)) + 1;
  const BatchToken next{.token = 0, .position = end, .sequence = sequence, .wants_scores = false};
  const Status computed = Compute({&next, 1}, [] { return false; });
  Forget(sequence, end);
  const Result<std::vector<std::byte>> expected = SaveState(sequence);
  Forget(sequence, 0);
  const Result<std::vector<std::byte>> moved = turner->Move(state, kFar);
  if (computed.ok() && expected.ok() && moved.ok() && turner->AreAlike(*expected, *moved)) turner_.emplace(*turner);
}

Status LlamaModel::LoadState(int sequence, std::span<const std::byte> state) {
  last_complaint.clear();
  const size_t size =
      llama_state_seq_set_data(context_, reinterpret_cast<const uint8_t*>(state.data()), state.size(), sequence);
  return size > 0 ? Status() : ResourceExhaustedError(WithComplaint("llama.cpp could not load a saved state"));
}

llama_sampler* LlamaModel::MakeGrammar(const std::string& grammar) const {
  return llama_sampler_init_grammar(vocab_, grammar.c_str(), "root");
}

}  // namespace ragtime
