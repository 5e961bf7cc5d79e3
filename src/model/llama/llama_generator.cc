// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_generator.h"

#include <algorithm>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/answer_stream.h"
#include "model/llama/llama_model.h"
#include "model/llama/scheduler.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "run tools/setup.sh, or set llm.model to a GGUF file";

Status CheckGguf(const std::filesystem::path& gguf) {
  std::error_code error;
  if (!std::filesystem::exists(gguf, error)) {
    return NotFoundError(StrCat("there is no language model at ", gguf.string()), kRemedy);
  }
  std::ifstream file(gguf, std::ios::binary);
  char magic[4] = {};
  if (!file.read(magic, sizeof(magic)) || std::string_view(magic, sizeof(magic)) != "GGUF") {
    return DataLossError(StrCat("this is no GGUF file: ", gguf.string()), kRemedy);
  }
  return Status();
}

}  // namespace

Result<std::unique_ptr<LlamaGenerator>> LlamaGenerator::Open(LlamaGeneratorOptions options) {
  std::error_code error;
  std::filesystem::path gguf = options.model_path;
  GeneratorInfo info;
  info.context_tokens = options.context_tokens;
  if (std::filesystem::is_directory(options.model_path, error)) {
    const std::filesystem::path description = options.model_path / "model.json";
    constexpr uint64_t kDescriptionBytesMax = 1 << 20;
    const Result<std::string> text = ReadFile(description, kDescriptionBytesMax);
    if (!text.ok()) return text.status().WithRemedy(kRemedy);
    const Result<Json> json = Json::Parse(*text);
    if (!json.ok()) return json.status().Annotate(description.string()).WithRemedy(kRemedy);
    if ((*json)["kind"].AsString() != "generator" || !(*json)["gguf"].is_string()) {
      return InvalidArgumentError(StrCat("this model is no language model: ", description.string()),
                                  "set llm.model to a language model");
    }
    gguf = options.model_path / (*json)["gguf"].AsString();
    info.model = (*json)["name"].AsString(options.model_path.filename().string());
    for (const Json& language : (*json)["languages"].AsArray()) info.languages.push_back(language.AsString());
    info.cites = (*json)["cites"].AsBool(true);
    const int64_t trained = (*json)["context_tokens"].AsInt();
    if (trained > 0) info.context_tokens = std::min(info.context_tokens, static_cast<size_t>(trained));
  } else {
    info.model = gguf.stem().string();
  }
  RAGTIME_RETURN_IF_ERROR(CheckGguf(gguf));
  if (options.threads == 0) options.threads = AvailableCores();
  return std::unique_ptr<LlamaGenerator>(new LlamaGenerator(std::move(options), std::move(gguf), std::move(info)));
}

LlamaGenerator::LlamaGenerator(LlamaGeneratorOptions options, std::filesystem::path gguf, GeneratorInfo info)
    : options_(std::move(options)), gguf_(std::move(gguf)), info_(std::move(info)) {}

LlamaGenerator::~LlamaGenerator() = default;

size_t LlamaGenerator::CountTokens(std::string_view text) const {
  const Result<LlamaModel*> model = Model();
  if (!model.ok()) return text.size();
  try {
    return (*model)->Tokenize(text, false).size();
  } catch (const std::exception&) {
    return text.size();
  }
}

Result<GenerationResult> LlamaGenerator::Generate(const Context& context, const GenerationRequest& request,
                                                  const OnToken& on_token) {
  AnswerStream answer(on_token);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_ASSIGN_OR_RETURN(Scheduler * scheduler, GetScheduler());
  try {
    RAGTIME_ASSIGN_OR_RETURN(LlamaModel::Prompt prompt, model_->BuildPrompt(request.messages));
    if (prompt.opens_think) answer.StartInReasoning();
    return scheduler->Run(context, std::move(prompt.tokens), request, answer);
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
}

GeneratorStatistics LlamaGenerator::statistics() const {
  std::lock_guard lock(load_mutex_);
  return scheduler_ != nullptr ? scheduler_->statistics() : GeneratorStatistics{};
}

Result<Scheduler*> LlamaGenerator::GetScheduler() {
  RAGTIME_ASSIGN_OR_RETURN(LlamaModel * model, Model());
  std::lock_guard lock(load_mutex_);
  if (scheduler_ != nullptr) return scheduler_.get();
  try {
    const size_t context_tokens = model->ContextTokens(info_.context_tokens);
    // Two sequences more: one for loading and saving states, one for what prompts share.
    constexpr size_t kSequencesMax = 256;
    const size_t sequences = std::clamp<size_t>(options_.parallel, 1, kSequencesMax - 2) + 2;
    if (!model->has_context()) {
      RAGTIME_RETURN_IF_ERROR(
          model->StartContext(std::max(context_tokens, options_.kv_tokens), sequences, options_.threads));
    }
    scheduler_ = std::make_unique<Scheduler>(*model, SchedulerOptions{.context_tokens = context_tokens,
                                                                      .memory_bytes_max = options_.kv_memory_bytes,
                                                                      .disk_bytes_max = options_.kv_disk_bytes,
                                                                      .states_folder = options_.kv_folder,
                                                                      .reuse = options_.reuse,
                                                                      .prompt_lookup = options_.prompt_lookup,
                                                                      .seed = options_.seed});
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
  return scheduler_.get();
}

Result<LlamaModel*> LlamaGenerator::Model() const {
  std::lock_guard lock(load_mutex_);
  if (model_ == nullptr) {
    try {
      RAGTIME_ASSIGN_OR_RETURN(model_, LlamaModel::Load(gguf_));
    } catch (const std::exception& exception) {
      return DataLossError(StrCat("llama.cpp cannot load the language model ", gguf_.string(), ": ", exception.what()),
                           kRemedy);
    }
  }
  return model_.get();
}

}  // namespace ragtime
