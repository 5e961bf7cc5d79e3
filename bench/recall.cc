// SPDX-License-Identifier: Apache-2.0
//
// Asks one knowledge base many questions under many configurations and prints where the wanted file stands each time.
//
// usage: recall KNOWLEDGE_BASE QUESTIONS CONFIGURATION... with QUESTIONS of lines "question<TAB>file". Prints a JSON
// line for each configuration: {"config", "ranks": [rank or 0 ...], "ms": [...], "stages": {stage: [ms ...]}}.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "ragtime/knowledge_base.h"
#include "wire/json.h"

namespace {

struct Question {
  std::string text;
  std::string file;
};

// The place of `file` among the different files of the hits, from 1; 0: it is not there.
size_t RankOf(const ragtime::SearchResult& result, const std::string& file) {
  std::set<std::string> seen;
  for (const ragtime::SearchHit& hit : result.hits) {
    seen.insert(hit.file);
    if (hit.file == file) return seen.size();
  }
  return 0;
}

int Run(const std::string& kb, const std::vector<Question>& questions, const std::string& file) {
  ragtime::Result<ragtime::Config> config = ragtime::LoadConfig(file);
  if (config.ok()) config->store.uri = kb;
  if (!config.ok()) return std::fprintf(stderr, "%s\n", config.status().ToString().c_str()), 1;
  auto opened = ragtime::KnowledgeBase::Open(*config, /*must_exist=*/true);
  if (!opened.ok()) return std::fprintf(stderr, "%s\n", opened.status().ToString().c_str()), 1;
  (void)(*opened)->Search({.query = "warm up"});
  ragtime::Json ranks(ragtime::Json::Array{}), times(ragtime::Json::Array{});
  std::map<std::string, ragtime::Json> stages;
  for (const Question& question : questions) {
    const ragtime::Stopwatch stopwatch;
    auto result = (*opened)->Search({.query = question.text});
    times.Append(stopwatch.ElapsedMs());
    if (!result.ok()) return std::fprintf(stderr, "%s\n", result.status().ToString().c_str()), 1;
    ranks.Append(uint64_t{RankOf(*result, question.file)});
    for (const auto& [stage, ms] : result->timings_ms) stages[stage].Append(ms);
  }
  ragtime::Json json(ragtime::Json::Object{}), by_stage(ragtime::Json::Object{});
  for (auto& [stage, ms] : stages) by_stage.Set(stage, std::move(ms));
  json.Set("config", file).Set("ranks", std::move(ranks)).Set("ms", std::move(times));
  std::printf("%s\n", json.Set("stages", std::move(by_stage)).Dump().c_str());
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: recall KNOWLEDGE_BASE QUESTIONS CONFIGURATION...\n");
    return 2;
  }
  std::vector<Question> questions;
  std::ifstream lines(argv[2]);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) questions.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  for (int i = 3; i < argc; ++i) {
    if (const int failed = Run(argv[1], questions, argv[i]); failed != 0) return failed;
  }
}
