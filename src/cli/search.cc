// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <vector>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

constexpr size_t kExcerptCharacters = 240;

void PrintHits(const SearchResult& result) {
  if (result.hits.empty()) std::printf("no hits\n");
  int number = 0;
  for (const SearchHit& hit : result.hits) {
    std::printf("%2d. %s", ++number, hit.file.c_str());
    if (hit.node.bytes) {
      std::printf(":%llu-%llu", static_cast<unsigned long long>(hit.node.bytes->start),
                  static_cast<unsigned long long>(hit.node.bytes->end));
    }
    std::printf("  (%.4f", hit.score);
    for (const auto& [route, score] : hit.scores) {
      const auto rank = hit.ranks.find(route);
      std::printf(", %s %.3f", route.c_str(), score);
      if (rank != hit.ranks.end()) std::printf(" #%zu", rank->second);
    }
    if (hit.window_of) std::printf(", beside %lld", static_cast<long long>(*hit.window_of));
    std::printf(")\n");
    if (!hit.node.heading.empty()) {
      std::string path;
      for (const std::string& title : hit.node.heading) path += (path.empty() ? "" : " > ") + title;
      std::printf("    in: %s\n", Excerpt(path, kExcerptCharacters).c_str());
    }
    std::printf("    %s\n", Excerpt(hit.node.text, kExcerptCharacters).c_str());
  }
  std::string stages;
  for (const auto& [stage, ms] : result.timings_ms)
    stages += (stages.empty() ? "" : ", ") + stage + " " + TimeInWords(ms);
  std::fprintf(stderr, "%s\n", stages.c_str());
}

int ShowHits(const Options& options, const std::string& question, const Result<SearchResult>& result) {
  return Show(options, result, [&](const SearchResult& found) { return SearchJson(question, found); }, PrintHits);
}

// One line of JSON for each question, or its hits below it. A question that fails does not end the others.
int SearchQueries(const Options& options, KnowledgeBase& knowledge_base, const Context& context) {
  const auto questions = ReadQuestions(options.questions_file);
  if (!questions.ok()) return Fail(options, questions.status());
  std::vector<SearchRequest> requests;
  for (const std::string& question : *questions) {
    requests.push_back({.query = question, .filter = options.filter, .context = context});
  }
  const std::vector<Result<SearchResult>> results = knowledge_base.SearchMany(requests);
  int code = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!options.json) std::printf("%s%s\n", i == 0 ? "" : "\n", (*questions)[i].c_str());
    if (const int failed = ShowHits(options, (*questions)[i], results[i]); failed != 0) code = failed;
  }
  return code;
}

}  // namespace

int RunSearch(const Options& options, const Context& context) {
  if (options.question.empty() && options.questions_file.empty()) {
    return Fail(options,
                InvalidArgumentError("no question is given", "write it behind search, or name --queries FILE"));
  }
  const auto knowledge_base = OpenKnowledgeBase(options);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());
  if (!options.questions_file.empty()) return SearchQueries(options, **knowledge_base, context);
  return ShowHits(options, options.question,
                  (*knowledge_base)->Search({.query = options.question, .filter = options.filter, .context = context}));
}

}  // namespace ragtime::cli
