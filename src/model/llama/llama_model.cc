// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_model.h"

#include <ggml-cpu.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr size_t kBatchTokens = 512;

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
  const Context* request = *static_cast<const Context**>(user);
  if (request == nullptr) return false;
  return request->stop.stop_requested() ||
         (request->deadline && std::chrono::steady_clock::now() >= *request->deadline);
}

// The place of message i in a rendered template: bytes that neither a template nor a person writes.
std::string Placeholder(size_t i) { return StrCat("\x02", i, "\x03"); }

// The conversation with placeholders as contents, by the template; "" where llama.cpp does not know it.
std::string RenderTemplate(const char* name_or_text, std::span<const ChatMessage> messages) {
  std::vector<std::string> contents;
  for (size_t i = 0; i < messages.size(); ++i) contents.push_back(Placeholder(i));
  std::vector<llama_chat_message> chat;
  for (size_t i = 0; i < messages.size(); ++i) chat.push_back({messages[i].role.c_str(), contents[i].c_str()});
  std::string text(1024, '\0');
  for (int round = 0; round < 2; ++round) {
    const int32_t size = llama_chat_apply_template(name_or_text, chat.data(), chat.size(), true, text.data(),
                                                   static_cast<int32_t>(text.size()));
    if (size < 0) return "";
    const bool fits = static_cast<size_t>(size) <= text.size();
    text.resize(static_cast<size_t>(size));
    if (fits) return text;
  }
  return "";
}

// Cuts the rendered text at the placeholders. Empty unless each is there once and in order: some templates leave a
// message out or say it twice.
std::vector<std::string> CutAtPlaceholders(const std::string& text, size_t count) {
  std::vector<std::string> pieces;
  size_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string placeholder = Placeholder(i);
    const size_t at = text.find(placeholder, start);
    if (at == std::string::npos) return {};
    pieces.push_back(text.substr(start, at - start));
    start = at + placeholder.size();
  }
  pieces.push_back(text.substr(start));
  for (const std::string& piece : pieces) {
    if (piece.find('\x02') != std::string::npos) return {};
  }
  return pieces;
}

}  // namespace

Result<std::unique_ptr<LlamaModel>> LlamaModel::Load(const std::filesystem::path& gguf) {
  StartBackend();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  params.load_mode = LLAMA_LOAD_MODE_MMAP;
  std::unique_ptr<LlamaModel> model(new LlamaModel);
  model->model_ = llama_model_load_from_file(gguf.c_str(), params);
  if (model->model_ == nullptr) {
    return DataLossError(WithComplaint(StrCat("llama.cpp cannot load the language model ", gguf.string())),
                         "fetch the file again, or set llm.model to another GGUF file");
  }
  model->vocab_ = llama_model_get_vocab(model->model_);
  return model;
}

LlamaModel::~LlamaModel() {
  if (context_ != nullptr) llama_free(context_);
  if (threads_ != nullptr) ggml_threadpool_free(threads_);
  if (model_ != nullptr) llama_model_free(model_);
}

Result<LlamaModel::Prompt> LlamaModel::BuildPrompt(std::span<const ChatMessage> messages) const {
  if (messages.empty()) return InvalidArgumentError("the conversation is empty");
  const char* own = llama_model_chat_template(model_, nullptr);
  std::vector<std::string> format;
  if (own != nullptr) format = CutAtPlaceholders(RenderTemplate(own, messages), messages.size());
  if (format.empty()) format = CutAtPlaceholders(RenderTemplate("chatml", messages), messages.size());
  if (format.empty()) return InternalError("llama.cpp renders no conversation");
  Prompt prompt;
  const auto append = [&](const std::vector<llama_token>& tokens) {
    prompt.tokens.insert(prompt.tokens.end(), tokens.begin(), tokens.end());
  };
  for (size_t i = 0; i < format.size(); ++i) {
    append(Tokenize(format[i], true));
    if (i < messages.size()) append(Tokenize(messages[i].content, false));
  }
  const llama_token bos = llama_vocab_bos(vocab_);
  if (llama_vocab_get_add_bos(vocab_) && (prompt.tokens.empty() || prompt.tokens.front() != bos)) {
    prompt.tokens.insert(prompt.tokens.begin(), bos);
  }
  const std::string& tail = format.back();
  const size_t open = tail.rfind("<think>");
  prompt.opens_think = open != std::string::npos && tail.find("</think>", open) == std::string::npos;
  return prompt;
}

std::vector<llama_token> LlamaModel::Tokenize(std::string_view text, bool parse_special) const {
  if (text.empty()) return {};
  // A token is at least a byte, but for a space put in front; a normaliser may still add some.
  std::vector<llama_token> tokens(text.size() + 8);
  for (int round = 0; round < 2; ++round) {
    const int32_t count = llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                         static_cast<int32_t>(tokens.size()), false, parse_special);
    if (count >= 0) {
      tokens.resize(static_cast<size_t>(count));
      return tokens;
    }
    if (count == INT32_MIN) break;
    tokens.resize(static_cast<size_t>(-count));
  }
  return {};
}

std::string LlamaModel::Piece(llama_token token) const {
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

Status LlamaModel::StartContext(size_t tokens_max, size_t threads) {
  if (context_ != nullptr) return Status();
  last_complaint.clear();
  const int32_t trained = llama_model_n_ctx_train(model_);
  if (trained > 0) tokens_max = std::min(tokens_max, static_cast<size_t>(trained));
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(tokens_max);
  params.n_batch = kBatchTokens;
  params.n_ubatch = kBatchTokens;
  params.n_seq_max = 1;
  params.n_threads = static_cast<int32_t>(threads);
  params.n_threads_batch = static_cast<int32_t>(threads);
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
  params.abort_callback = &ShouldAbort;
  params.abort_callback_data = &request_;
  context_ = llama_init_from_model(model_, params);
  if (context_ == nullptr) {
    return ResourceExhaustedError(WithComplaint(StrCat("llama.cpp cannot make a context of ", tokens_max, " tokens")),
                                  "lower llm.context_tokens or free some memory");
  }
  context_tokens_ = std::min(tokens_max, static_cast<size_t>(llama_n_ctx_seq(context_)));
  // Without a pool of its own, ggml starts and joins its threads anew for every token.
  ggml_threadpool_params pool = ggml_threadpool_params_default(static_cast<int>(threads));
  threads_ = ggml_threadpool_new(&pool);
  if (threads_ != nullptr) llama_attach_threadpool(context_, threads_, threads_);
  return Status();
}

Result<size_t> LlamaModel::SetPrompt(const Context& request, std::span<const llama_token> prompt) {
  const size_t limit = std::min(prompt.size() - 1, held_.size());
  const auto split = std::mismatch(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(limit), held_.begin());
  KeepOnly(static_cast<size_t>(split.first - prompt.begin()));
  const size_t kept = held_.size();
  while (held_.size() < prompt.size()) {
    const size_t size = std::min(kBatchTokens, prompt.size() - held_.size());
    RAGTIME_RETURN_IF_ERROR(Decode(request, prompt.subspan(held_.size(), size)));
  }
  return kept;
}

Status LlamaModel::Append(const Context& request, llama_token token) {
  return Decode(request, std::span<const llama_token>(&token, 1));
}

std::span<float> LlamaModel::Scores() { return {llama_get_logits_ith(context_, -1), vocabulary_size()}; }

Status LlamaModel::Decode(const Context& request, std::span<const llama_token> tokens) {
  RAGTIME_RETURN_IF_ERROR(request.Check());
  last_complaint.clear();
  request_ = &request;
  // llama.cpp only reads the tokens; its batch has no const pointer.
  const int32_t code = llama_decode(
      context_, llama_batch_get_one(const_cast<llama_token*>(tokens.data()), static_cast<int32_t>(tokens.size())));
  request_ = nullptr;
  if (code == 0) {
    held_.insert(held_.end(), tokens.begin(), tokens.end());
    return Status();
  }
  // Parts of the batch may have been taken in.
  KeepOnly(held_.size());
  if (code == 2) RAGTIME_RETURN_IF_ERROR(request.Check());
  if (code == 1) {
    return ResourceExhaustedError(
        StrCat("the context of the language model is full: ", held_.size(), " of ", context_tokens_, " tokens"),
        "raise llm.context_tokens");
  }
  return InternalError(WithComplaint(StrCat("llama.cpp failed to compute (code ", code, ")")));
}

// Drops all but the first `tokens` of what the context holds; models whose state cannot be cut drop everything.
void LlamaModel::KeepOnly(size_t tokens) {
  llama_memory_t memory = llama_get_memory(context_);
  if (llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(tokens), -1)) {
    held_.resize(std::min(tokens, held_.size()));
  } else {
    llama_memory_clear(memory, true);
    held_.clear();
  }
}

}  // namespace ragtime
