// SPDX-License-Identifier: Apache-2.0
//
// The keys of answers and of the language model.
#include "engine/config_keys.h"

#include "engine/config_values.h"

namespace ragtime {
namespace {

Status SetLlmModel(Config& config, const std::string& value, const std::filesystem::path& base) {
  // A file beside the configuration, unless it is a name.
  const bool is_path = value.ends_with(".gguf") || value.find('/') != std::string::npos;
  config.llm.model = is_path && config.llm.api == "local" && std::filesystem::exists(Resolve(value, base))
                         ? Resolve(value, base).string()
                         : value;
  return Status();
}

Status SetThinkingTokens(Config& config, const std::string& value, const std::filesystem::path&) {
  size_t tokens = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), tokens);
  if (value == "auto") {
    config.llm.thinking_tokens.reset();
  } else if (error == std::errc() && end == value.data() + value.size() && tokens <= 1048576) {
    config.llm.thinking_tokens = tokens;
  } else {
    return WrongValue("llm.thinking_tokens", value, "auto, or a whole number from 0 to 1048576");
  }
  return Status();
}

}  // namespace

void AddAnswerKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back(
      {"answer.mode", "RAGTIME_ANSWER_MODE", "auto | generate | extract", "auto",
       "generate: a language model writes. extract: the best sentences word for word, no model needed. auto: "
       "generate where the model speaks the question's language and cites, else extract, with a warning.",
       Choice<AnswerMode>(
           "answer.mode",
           {{"auto", AnswerMode::kAuto}, {"generate", AnswerMode::kGenerate}, {"extract", AnswerMode::kExtract}},
           [](Config& c) -> AnswerMode& { return c.answer.mode; })});
  keys.push_back({"answer.passages", "RAGTIME_ANSWER_PASSAGES", "1 to 32", "5",
                  "How many passages an answer is made from.",
                  Number<size_t>("answer.passages", 1, 32, [](Config& c) -> size_t& { return c.answer.passages; })});
  keys.push_back(
      {"llm.api", "RAGTIME_LLM_API", "local | openai | none", "local",
       "local: llama.cpp in this process. openai: any server that speaks OpenAI's protocol. none: extract only.",
       Choice<string>("llm.api", {{"local", "local"}, {"openai", "openai"}, {"none", "none"}},
                      [](Config& c) -> string& { return c.llm.api; })});
  keys.push_back({"llm.model", "RAGTIME_LLM_MODEL",
                  "a name under the models folder, a .gguf file, or the server's name", "smollm2-135m-instruct",
                  "The language model.", SetLlmModel});
  keys.push_back({"llm.base_url", "RAGTIME_LLM_BASE_URL", "a URL ending in /v1, or a list of them", "none",
                  "The server of `api: openai`. Of a list the first that answers; one that failed is passed over for a "
                  "while.",
                  Text([](Config& c) -> string& { return c.llm.base_url; })});
  keys.push_back({"llm.api_key_env", "RAGTIME_LLM_API_KEY_ENV", "the name of an environment variable", "OPENAI_API_KEY",
                  "Where the key of the server is read from. Keys never stand in the file.",
                  Text([](Config& c) -> string& { return c.llm.api_key_env; })});
  keys.push_back(
      {"llm.context_tokens", "RAGTIME_LLM_CONTEXT_TOKENS", "tokens, 512 to 1048576", "4096",
       "Room for the prompt and the answer.",
       Number<size_t>("llm.context_tokens", 512, 1048576, [](Config& c) -> size_t& { return c.llm.context_tokens; })});
  keys.push_back({"llm.max_tokens", "RAGTIME_LLM_MAX_TOKENS", "tokens, 1 to 65536", "256", "The longest answer.",
                  Number<size_t>("llm.max_tokens", 1, 65536, [](Config& c) -> size_t& { return c.llm.max_tokens; })});
  keys.push_back({"llm.parallel", "RAGTIME_LLM_PARALLEL", "1 to 254", "8",
                  "Answers that the model in this process writes at once; more questions wait their turn.",
                  Number<size_t>("llm.parallel", 1, 254, [](Config& c) -> size_t& { return c.llm.parallel; })});
  keys.push_back(
      {"llm.kv_tokens", "RAGTIME_LLM_KV_TOKENS", "tokens, 0 to 16777216", "0",
       "Room for all prompts and answers that the model in this process holds at once. 0: context_tokens, and "
       "four times that in `ragtime serve`.",
       Number<size_t>("llm.kv_tokens", 0, 16777216, [](Config& c) -> size_t& { return c.llm.kv_tokens; })});
  keys.push_back({"llm.kv_memory_bytes", "RAGTIME_LLM_KV_MEMORY_BYTES", "bytes; 0: none", "268435456",
                  "What the model made of prompts is kept in memory up to this size, so that it is not computed again.",
                  Number<uint64_t>("llm.kv_memory_bytes", 0, UINT64_MAX / 2,
                                   [](Config& c) -> uint64_t& { return c.llm.kv_memory_bytes; })});
  keys.push_back({"llm.kv_disk_bytes", "RAGTIME_LLM_KV_DISK_BYTES", "bytes; 0: none", "1073741824",
                  "The same in the folder kv/ of the knowledge base, for the next start. Can be deleted at any time.",
                  Number<uint64_t>("llm.kv_disk_bytes", 0, UINT64_MAX / 2,
                                   [](Config& c) -> uint64_t& { return c.llm.kv_disk_bytes; })});
  keys.push_back(
      {"llm.chunk_reuse", "RAGTIME_LLM_CHUNK_REUSE", "off | auto", "auto",
       "auto: passages that the model in this process has read before are joined at any place of a prompt, if "
       "`ragtime tune --kv` has measured with this model that answers stay as they are. Never measured: not joined.",
       Choice<bool>("llm.chunk_reuse", {{"off", false}, {"auto", true}},
                    [](Config& c) -> bool& { return c.llm.chunk_reuse; })});
  keys.push_back(
      {"llm.prompt_lookup", "RAGTIME_LLM_PROMPT_LOOKUP", "off | exact | auto", "exact",
       "The model in this process guesses what the answer repeats of the passages and checks several tokens at once, "
       "where it measures that to be sooner. exact: where the answer stays the same, bit for bit (Q8_0 weights on a "
       "processor with AVX-512 VNNI and without AMX). auto: everywhere; a near tie of two words may then fall the "
       "other way.",
       Choice<string>("llm.prompt_lookup", {{"off", "off"}, {"exact", "exact"}, {"auto", "auto"}},
                      [](Config& c) -> string& { return c.llm.prompt_lookup; })});
  keys.push_back(
      {"llm.kv_type", "RAGTIME_LLM_KV_TYPE", "f16 | q8_0", "f16",
       "How keys and values of prompts are kept. q8_0 takes about half the memory and is a little less exact.",
       Choice<string>("llm.kv_type", {{"f16", "f16"}, {"q8_0", "q8_0"}},
                      [](Config& c) -> string& { return c.llm.kv_type; })});
  keys.push_back({"llm.gpu_layers", "RAGTIME_LLM_GPU_LAYERS", "-1 to 1000", "-1",
                  "Layers of the model that GPUs compute, where Ragtime was built for them; `--gpu-layers`. -1: all.",
                  Number<int64_t>("llm.gpu_layers", -1, 1000, [](Config& c) -> int64_t& { return c.llm.gpu_layers; })});
  keys.push_back(
      {"llm.split_mode", "RAGTIME_LLM_SPLIT_MODE", "none | layer | tensor", "layer",
       "How several GPUs share a model: none: main_gpu alone. layer: each has some layers. tensor: each has a part of "
       "every layer.",
       Choice<string>("llm.split_mode", {{"none", "none"}, {"layer", "layer"}, {"tensor", "tensor"}},
                      [](Config& c) -> string& { return c.llm.split_mode; })});
  keys.push_back({"llm.main_gpu", "RAGTIME_LLM_MAIN_GPU", "0 to 63", "0", "The GPU of `split_mode: none`.",
                  Number<size_t>("llm.main_gpu", 0, 63, [](Config& c) -> size_t& { return c.llm.main_gpu; })});
  keys.push_back(
      {"llm.timeout_ms", "RAGTIME_LLM_TIMEOUT_MS", "milliseconds, 100 to 3600000", "120000",
       "How long a server may stay silent.",
       Number<int64_t>("llm.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.llm.timeout_ms; })});
  keys.push_back(
      {"llm.requests_max", "RAGTIME_LLM_REQUESTS_MAX", "1 to 4096", "32",
       "Requests that are under way at once at servers of `api: openai`; more wait, client by client in turn.",
       Number<size_t>("llm.requests_max", 1, 4096, [](Config& c) -> size_t& { return c.llm.requests_max; })});
  keys.push_back({"llm.thinking_tokens", "RAGTIME_LLM_THINKING_TOKENS", "auto | tokens, 0 to 1048576", "auto",
                  "How much a reasoning model may think, on top of max_tokens; 0: not at all. auto: thinking is a part "
                  "of max_tokens, in this process at most half of it. A server is told, but need not know how.",
                  SetThinkingTokens});
  keys.push_back({"llm.template_opens_think", "RAGTIME_LLM_TEMPLATE_OPENS_THINK", "true | false", "false",
                  "Of `api: openai`: the server's chat template writes <think> itself, and the server does not part "
                  "reasoning from the answer (DeepSeek-R1 without a reasoning parser).",
                  Switch("llm.template_opens_think", [](Config& c) -> bool& { return c.llm.template_opens_think; })});
}

}  // namespace ragtime
