// SPDX-License-Identifier: Apache-2.0
//
// What tests of the Scheduler have in common: prompts, requests to a scheduler over a ScriptedBatchModel, and a folder
// for its states.
#ifndef RAGTIME_MODEL_LLAMA_SCRIPTED_REQUESTS_H_
#define RAGTIME_MODEL_LLAMA_SCRIPTED_REQUESTS_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "model/llama/scheduler.h"
#include "model/llama/scripted_batch_model.h"

namespace ragtime {

inline std::vector<Token> RandomTokens(std::mt19937& random, size_t count) {
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % 62);
  return tokens;
}

inline std::vector<Token> Joined(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Result<GenerationResult> Ask(Scheduler& scheduler, const std::vector<Token>& prompt, size_t max_tokens = 8,
                                    const Context& context = {}, const std::string& client = "", RunOptions run = {}) {
  const Generator::OnToken none;
  AnswerStream answer(none);
  GenerationRequest request;
  request.max_tokens = max_tokens;
  request.client = client;
  return scheduler.Run(context, prompt, request, answer, std::move(run));
}

inline void ExpectAnswer(const Result<GenerationResult>& result, const std::vector<Token>& prompt,
                         size_t max_tokens = 8) {
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  // The stream drops white space at the start and keeps it at the end.
  EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompt, max_tokens));
}

class ScratchFolder {
 public:
  ScratchFolder() { std::filesystem::remove_all(path); }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / StrCat("ragtime_scheduler_test_", ::getpid());
  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const std::filesystem::directory_entry& entry : std::filesystem::directory_iterator(path))
      files.push_back(entry.path());
    return files;
  }
};

inline SchedulerOptions WithMemory() { return {.context_tokens = 512, .wide_tokens = 1, .memory_bytes_max = 1 << 20}; }

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_SCRIPTED_REQUESTS_H_
