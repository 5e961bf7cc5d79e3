// SPDX-License-Identifier: Apache-2.0
//
// How fast the language model in this process reads and writes, by the number of users, on the CPU or on GPUs.
//
// usage: model_speed MODEL.gguf [--gpu-layers N] [--split none|layer|tensor] [--kv f16|q8_0] [--users 1,2,4,8,16]
//                 [--prompt 512] [--tokens 64] [--runs 3] [--ask]
// Each row is the median of the runs, after one that is not counted. --ask then asks the same question with and without
// saved states of prompts, which must give the same answer, and prints it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/llama/llama_generator.h"
#include "model/llama/llama_model.h"
#include "model/llama/model_gauge.h"

namespace ragtime {
namespace {

struct Arguments {
  std::string model;
  LlamaPlacement placement;
  std::vector<size_t> users = {1, 2, 4, 8, 16};
  size_t prompt = 512;
  size_t tokens = 64;
  size_t runs = 3;
  bool ask = false;
};

std::vector<size_t> Numbers(const std::string& list) {
  std::vector<size_t> numbers;
  for (size_t start = 0; start < list.size();) {
    const size_t comma = std::min(list.find(',', start), list.size());
    numbers.push_back(std::strtoul(list.c_str() + start, nullptr, 10));
    start = comma + 1;
  }
  return numbers;
}

Status Measure(const Arguments& arguments) {
  RAGTIME_ASSIGN_OR_RETURN(auto model, LlamaModel::Load(arguments.model, arguments.placement));
  const size_t users_max = *std::max_element(arguments.users.begin(), arguments.users.end());
  RAGTIME_RETURN_IF_ERROR(
      model->StartContext(users_max * (arguments.prompt + arguments.tokens), users_max, AvailableCores()));
  std::printf("| users | prefill tokens/s | decode tokens/s | TPOT ms |\n|---|---|---|---|\n");
  for (const size_t users : arguments.users) {
    std::vector<double> prefill;
    std::vector<double> decode;
    std::vector<double> tpot;
    for (size_t run = 0; run <= arguments.runs; ++run) {
      RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge,
                               GaugeSpeed(Context{}, *model, users, arguments.prompt, arguments.tokens));
      if (run == 0) continue;
      prefill.push_back(gauge.prefill_tokens_per_s);
      decode.push_back(gauge.decode_tokens_per_s);
      tpot.push_back(gauge.tpot_ms);
    }
    std::printf("| %zu | %.0f | %.0f | %.2f |\n", users, Median(prefill), Median(decode), Median(tpot));
    std::fflush(stdout);
  }
  return Status();
}

Status Ask(const Arguments& arguments) {
  std::string answers[2];
  size_t cached = 0;
  for (const bool reuse : {false, true}) {
    RAGTIME_ASSIGN_OR_RETURN(
        auto generator,
        LlamaGenerator::Open({.model_path = arguments.model, .placement = arguments.placement, .reuse = reuse}));
    GenerationRequest request;
    std::string facts;
    for (size_t i = 1; i < 40; ++i) facts += StrCat("Room ", i, " is on floor ", i % 7, " and has ", i % 5, " beds. ");
    request.messages = {{"system", "You answer in one short sentence. " + facts}, {"user", "What is a library?"}};
    request.max_tokens = 48;
    for (size_t i = 0; i < 2; ++i) {
      RAGTIME_ASSIGN_OR_RETURN(const GenerationResult result, generator->Generate(Context{}, request, nullptr));
      answers[reuse] = result.text;
      cached = result.cached_tokens;
      std::printf("reuse %d: prompt %zu, cached %zu, TTFT %.1f ms, TPOT %.2f ms: %s\n", reuse, result.prompt_tokens,
                  result.cached_tokens, result.ttft_ms, result.tpot_ms, result.text.c_str());
    }
  }
  if (answers[0] != answers[1] || cached == 0) return InternalError("the answers differ, or nothing was reused");
  return Status();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--ask") {
      arguments.ask = true;
      continue;
    }
    if (!name.starts_with("--")) {
      arguments.model = name;
      continue;
    }
    if (++i == argc) break;
    const std::string value = argv[i];
    if (name == "--gpu-layers") arguments.placement.gpu_layers = std::atoi(value.c_str());
    if (name == "--split") arguments.placement.split_mode = value;
    if (name == "--kv") arguments.placement.kv_type = value;
    if (name == "--users") arguments.users = Numbers(value);
    if (name == "--prompt") arguments.prompt = Numbers(value).at(0);
    if (name == "--tokens") arguments.tokens = Numbers(value).at(0);
    if (name == "--runs") arguments.runs = Numbers(value).at(0);
  }
  if (arguments.model.empty() || arguments.users.empty()) {
    std::fprintf(stderr, "usage: model_speed MODEL.gguf [--gpu-layers N] [--split MODE] [--users 1,2,4] ...\n");
    return 2;
  }
  Status status = Measure(arguments);
  if (status.ok() && arguments.ask) status = Ask(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "model_speed: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
