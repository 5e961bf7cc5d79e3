// SPDX-License-Identifier: Apache-2.0
//
// What guessing the next tokens from the prompt (prompt lookup decoding) costs and brings: the same questions with
// guesses off, on whatever they cost, and left to the gate, which is how Ragtime uses them.
//
// usage: prompt_lookup MODEL.gguf [PROMPTS.json] [--questions 16] [--tokens 64] [--users 1,4]
// PROMPTS.json holds the messages of each question, as bench/generate.py records them in its WORK folder; without it,
// questions about made-up rooms are asked. With one user the sides take turns at each question, so that what else runs
// here slows all of them alike; with several, at each round of that many questions. Everything is asked once before.
// A call is a batch of the model that writes; "of off" is the median over questions (one user) of the time that each
// token takes without guesses divided by the time that it takes with them: less than 1 is slower.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/median.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "model/llama/llama_generator.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using Messages = std::vector<ChatMessage>;

struct Arguments {
  std::string model;
  std::string prompts;
  size_t questions = 16;
  size_t tokens = 64;
  std::vector<size_t> users = {1, 4};
};

// One way to answer, and what its answers took.
struct Side {
  const char* name = "";
  std::unique_ptr<LlamaGenerator> generator;
  std::vector<std::string> texts;
  std::vector<double> tpot_ms;
  double wall_ms = 0;
  size_t written = 0;
  GeneratorStatistics before;
};

std::vector<Messages> MadeUpPrompts() {
  std::string facts;
  for (size_t i = 1; i < 40; ++i) facts += StrCat("Room ", i, " is on floor ", i % 7, " and has ", i % 5, " beds. ");
  std::vector<Messages> prompts;
  for (size_t i = 1; i < 40; ++i) {
    prompts.push_back(
        {{"system", "Answer with sentences of the text."}, {"user", StrCat(facts, "Where is room ", i, "?")}});
  }
  return prompts;
}

Result<std::vector<Messages>> ReadPrompts(const std::string& path) {
  RAGTIME_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, uint64_t{64} << 20));
  RAGTIME_ASSIGN_OR_RETURN(const Json json, Json::Parse(text));
  std::vector<Messages> prompts;
  for (const auto& [question, messages] : json.AsObject()) {
    prompts.emplace_back();
    for (const Json& message : messages.AsArray()) {
      prompts.back().push_back({message["role"].AsString(), message["content"].AsString()});
    }
  }
  return prompts;
}

// The answers to `prompts`, all at once, added to what the side has.
Status Answer(Side& side, std::span<const Messages> prompts, size_t tokens) {
  std::vector<Result<GenerationResult>> results(prompts.size(), InternalError("not asked"));
  const Stopwatch stopwatch;
  {
    std::vector<std::jthread> callers;
    for (size_t i = 0; i < prompts.size(); ++i) {
      callers.emplace_back([&, i] {
        const GenerationRequest request{.messages = prompts[i], .max_tokens = tokens};
        results[i] = side.generator->Generate(Context{}, request, nullptr);
      });
    }
  }
  side.wall_ms += stopwatch.ElapsedMs();
  for (const auto& result : results) {
    RAGTIME_RETURN_IF_ERROR(result.status());
    side.texts.push_back(result->text);
    side.tpot_ms.push_back(result->completion_tokens > 1 ? result->tpot_ms : 0);
    side.written += result->completion_tokens;
  }
  return Status();
}

void Print(const Side& side, const Side& off, size_t users) {
  const GeneratorStatistics now = side.generator->statistics();
  const auto guessed = static_cast<double>(now.guessed_tokens - side.before.guessed_tokens);
  const auto right = static_cast<double>(now.right_guesses - side.before.right_guesses);
  const auto written = static_cast<double>(side.written);
  std::vector<double> ratios;
  std::vector<double> tpot;
  size_t equal = 0;
  for (size_t i = 0; i < side.texts.size(); ++i) {
    equal += side.texts[i] == off.texts[i] ? 1 : 0;
    if (side.tpot_ms[i] > 0) tpot.push_back(side.tpot_ms[i]);
    if (side.tpot_ms[i] > 0 && off.tpot_ms[i] > 0) ratios.push_back(off.tpot_ms[i] / side.tpot_ms[i]);
  }
  std::printf("| %zu | %s | %.1f | %.2f | %.2f | %.0f %% | %.0f %% | %.2f | %zu of %zu |\n", users, side.name,
              1000 * written / side.wall_ms, Median(tpot), written / (written - right), 100 * guessed / written,
              guessed > 0 ? 100 * right / guessed : 0, Median(ratios), equal, side.texts.size());
  std::fflush(stdout);
}

Status Measure(const Arguments& arguments) {
  std::vector<Messages> prompts = MadeUpPrompts();
  if (!arguments.prompts.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(prompts, ReadPrompts(arguments.prompts));
  }
  prompts.resize(std::min(prompts.size(), arguments.questions));
  if (prompts.empty()) return InvalidArgumentError("there are no questions");
  std::printf("%zu questions, %zu tokens an answer at most\n\n", prompts.size(), arguments.tokens);
  std::printf(
      "| users | guesses | tokens/s, reading too | TPOT ms | tokens a call | guessed | right | of off | same |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|\n");
  for (const size_t users : arguments.users) {
    std::vector<Side> sides(3);
    for (size_t i = 0; i < sides.size(); ++i) {
      sides[i].name = i == 0 ? "off" : i == 1 ? "always" : "auto";
      RAGTIME_ASSIGN_OR_RETURN(sides[i].generator, LlamaGenerator::Open({.model_path = arguments.model,
                                                                         .kv_tokens = (users + 1) * 4096,
                                                                         .prompt_lookup = i > 0 ? "auto" : "off",
                                                                         .always_guesses = i == 1}));
      // The first time it reads the weights from the disk.
      RAGTIME_RETURN_IF_ERROR(Answer(sides[i], std::span(prompts).first(1), 2));
      sides[i] = {.name = sides[i].name, .generator = std::move(sides[i].generator)};
      sides[i].before = sides[i].generator->statistics();
    }
    for (size_t at = 0; at < prompts.size(); at += users) {
      const auto round = std::span(prompts).subspan(at, std::min(users, prompts.size() - at));
      for (size_t i = 0; i < sides.size(); ++i) {
        RAGTIME_RETURN_IF_ERROR(Answer(sides[(at / users + i) % sides.size()], round, arguments.tokens));
      }
    }
    for (const Side& side : sides) Print(side, sides[0], users);
  }
  return Status();
}

std::vector<size_t> Numbers(const std::string& list) {
  std::vector<size_t> numbers;
  for (size_t start = 0; start < list.size();) {
    const size_t comma = std::min(list.find(',', start), list.size());
    numbers.push_back(std::max<size_t>(1, std::strtoul(list.c_str() + start, nullptr, 10)));
    start = comma + 1;
  }
  return numbers;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      (arguments.model.empty() ? arguments.model : arguments.prompts) = name;
      continue;
    }
    if (++i == argc) break;
    if (name == "--questions") arguments.questions = std::strtoul(argv[i], nullptr, 10);
    if (name == "--tokens") arguments.tokens = std::strtoul(argv[i], nullptr, 10);
    if (name == "--users") arguments.users = Numbers(argv[i]);
  }
  if (arguments.model.empty() || arguments.tokens < 2) {
    std::fprintf(stderr, "usage: prompt_lookup MODEL.gguf [PROMPTS.json] [--questions 16] [--tokens 64] ...\n");
    return 2;
  }
  const Status status = Measure(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "prompt_lookup: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
