// SPDX-License-Identifier: Apache-2.0
//
// Asks one knowledge base many questions under many configurations and prints where the wanted files stand each time.
//
// usage: recall KNOWLEDGE_BASE QUESTIONS CONFIGURATION... with QUESTIONS of lines "question<TAB>file<TAB>file...".
// Prints a JSON line for each configuration: {"config", "ranks": [[rank or 0 of each file ...] ...], "ms": [...],
// "stages": {stage: [ms ...]}}.
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "ragtime/knowledge_base.h"
#include "wire/json.h"

namespace {

struct Question {
  std::string text;
  std::vector<std::string> files;
};

// The place of each file among the different files of the hits, from 1; 0: it is not there.
ragtime::Json RanksOf(const ragtime::SearchResult& result, const std::vector<std::string>& files) {
  std::map<std::string, uint64_t> places;
  for (const ragtime::SearchHit& hit : result.hits) places.try_emplace(hit.file, places.size() + 1);
  ragtime::Json ranks(ragtime::Json::Array{});
  for (const std::string& file : files) {
    const auto place = places.find(file);
    ranks.Append(place == places.end() ? uint64_t{0} : place->second);
  }
  return ranks;
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
    ranks.Append(RanksOf(*result, question.files));
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
    std::vector<std::string> parts;
    std::istringstream fields(line);
    for (std::string part; std::getline(fields, part, '\t');) parts.push_back(std::move(part));
    if (parts.size() >= 2) questions.push_back({parts[0], {parts.begin() + 1, parts.end()}});
  }
  for (int i = 3; i < argc; ++i) {
    if (const int failed = Run(argv[1], questions, argv[i]); failed != 0) return failed;
  }
}
