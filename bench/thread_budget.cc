// SPDX-License-Identifier: Apache-2.0
//
// Whether one budget of threads for embedder and language model is sooner than as many threads each as there are cores:
// users who embed a question and wait for an answer, and who only embed, with an ingestion beside them or without.
//
// usage: thread_budget MODELS PROMPTS [--users 2] [--questions 24] [--pairs 3] [--tokens 24] [--ingestion-ms 5000]
// PROMPTS is WORK/prompts.json of bench/generate.py: questions and their messages. Both ways run in turns, and each
// measures first an ingestion alone, then answers alone, then both together. Medians over the pairs come last.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/thread_budget.h"
#include "model/llama/llama_generator.h"
#include "model/local/local_embedder.h"
#include "wire/json.h"

namespace {

using namespace ragtime;

struct Prompt {
  std::string question;
  std::vector<ChatMessage> messages;
};

struct Settings {
  std::filesystem::path models;
  std::vector<Prompt> prompts;
  std::vector<std::string> passages;  // What is ingested, again and again.
  size_t users = 2;
  size_t pairs = 3;
  size_t tokens = 24;
  size_t ingestion_ms = 5000;  // Of one that is alone.
};

struct Figures {
  std::vector<double> embed_ms, first_ms;
  double seconds = 0;
  size_t answer_tokens = 0;
  size_t texts = 0;
};

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// The models of one way to share threads.
struct Models {
  Models(const Settings& settings, std::shared_ptr<ThreadBudget> budget) {
    auto opened = LocalEmbedder::Open({.folder = settings.models / "multilingual-e5-small", .budget = budget}, nullptr);
    Check(opened.status());
    embedder = *std::move(opened);
    // Every prompt is computed whole, so that all runs do the same work.
    auto made = LlamaGenerator::Open({.model_path = settings.models / "smollm2-135m-instruct",
                                      .kv_tokens = 16384,
                                      .parallel = settings.users,
                                      .reuse = false,
                                      .budget = budget});
    Check(made.status());
    generator = *std::move(made);
    Check(generator->Prepare({}, {{"system", "Answer."}}));
    Check(embedder->Embed({}, std::vector<std::string>{"warm up"}, TextKind::kQuery).status());
  }
  std::unique_ptr<LocalEmbedder> embedder;
  std::unique_ptr<LlamaGenerator> generator;
};

// Never the same text twice, since the vectors of questions are remembered.
std::string Unheard(const std::string& question) {
  static std::atomic<size_t> count = 0;
  return question + " (" + std::to_string(count++) + ")";
}

// One user's question, from its embedding to the end of its answer.
void Ask(Models& models, const Settings& settings, size_t i, size_t user, std::mutex& mutex, Figures& figures) {
  const Prompt& prompt = settings.prompts[i];
  const std::string question = Unheard(prompt.question);
  const Stopwatch stopwatch;
  Check(models.embedder->Embed({}, std::vector<std::string>{question}, TextKind::kQuery).status());
  const double embed_ms = stopwatch.ElapsedMs();
  GenerationRequest request;
  request.messages = prompt.messages;
  request.max_tokens = settings.tokens;
  request.client = std::to_string(user);
  const auto result = models.generator->Generate({}, request, nullptr);
  Check(result.status());
  std::lock_guard lock(mutex);
  figures.embed_ms.push_back(embed_ms);
  figures.first_ms.push_back(embed_ms + result->ttft_ms);
  figures.answer_tokens += result->completion_tokens;
}

Figures Measure(Models& models, const Settings& settings, bool answers, bool ingests) {
  Figures figures;
  std::mutex mutex;
  std::atomic<bool> is_over = false;
  std::atomic<size_t> texts = 0;
  const Stopwatch whole;
  {
    std::optional<std::jthread> ingestion;
    if (ingests) {
      ingestion.emplace([&] {
        while (!is_over) {
          Check(models.embedder->Embed(Context{.in_background = true}, settings.passages, TextKind::kPassage).status());
          texts += settings.passages.size();
        }
      });
    }
    std::optional<std::jthread> searcher;
    std::atomic<size_t> next = 0;
    if (answers) {
      // Somebody else who only searches.
      searcher.emplace([&] {
        for (size_t i = 0; !is_over; ++i) {
          const std::string question = Unheard(settings.prompts[i % settings.prompts.size()].question);
          const Stopwatch stopwatch;
          Check(models.embedder->Embed({}, std::vector<std::string>{question}, TextKind::kQuery).status());
          const double embed_ms = stopwatch.ElapsedMs();
          {
            std::lock_guard lock(mutex);
            figures.embed_ms.push_back(embed_ms);
          }
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
      });
      std::vector<std::jthread> users;
      for (size_t user = 0; user < settings.users; ++user) {
        users.emplace_back([&, user] {
          for (size_t i = next++; i < settings.prompts.size(); i = next++) {
            Ask(models, settings, i, user, mutex, figures);
          }
        });
      }
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(settings.ingestion_ms));
    }
    figures.seconds = whole.ElapsedMs() / 1000;
    figures.texts = texts;
    is_over = true;
  }
  return figures;
}

// Rows of the table, by work and way.
using Rows = std::map<std::pair<std::string, std::string>, std::vector<std::vector<double>>>;

void Print(const std::string& work, const std::string& way, const std::vector<double>& row) {
  std::printf("%-20s %-8s", work.c_str(), way.c_str());
  for (const double value : row) std::printf(" %10.1f", value);
  std::printf("\n");
  std::fflush(stdout);
}

void RunPair(const Settings& settings, bool budget_first, Rows& rows) {
  for (const bool shares : {budget_first, !budget_first}) {
    const std::string way = shares ? "budget" : "each";
    const auto budget = shares ? std::make_shared<ThreadBudget>(ThreadBudget::Shared(0)->threads()) : nullptr;
    Models models(settings, budget);
    const auto measure = [&](const std::string& work, bool answers, bool ingests) {
      const Figures figures = Measure(models, settings, answers, ingests);
      const std::vector<double> row = {Percentile(figures.embed_ms, 0.5),
                                       Percentile(figures.embed_ms, 0.99),
                                       Percentile(figures.first_ms, 0.5),
                                       Percentile(figures.first_ms, 0.95),
                                       static_cast<double>(figures.answer_tokens) / figures.seconds,
                                       static_cast<double>(figures.texts) / figures.seconds};
      Print(work, way, row);
      rows[{work, way}].push_back(row);
    };
    measure("ingestion", false, true);
    measure("answers", true, false);
    measure("both", true, true);
    measure("ingestion again", false, true);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: thread_budget MODELS PROMPTS [--users 2] [--questions 24] [--pairs 3] [--tokens 24] "
                 "[--ingestion-ms 5000]\n");
    return 2;
  }
  Settings settings;
  settings.models = argv[1];
  size_t questions = 24;
  const std::map<std::string, size_t*> numbers = {{"--users", &settings.users},
                                                  {"--questions", &questions},
                                                  {"--pairs", &settings.pairs},
                                                  {"--tokens", &settings.tokens},
                                                  {"--ingestion-ms", &settings.ingestion_ms}};
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto found = numbers.find(argv[i]);
    if (found == numbers.end()) return 2;
    *found->second = std::strtoul(argv[i + 1], nullptr, 10);
  }
  std::ifstream file(argv[2]);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const Result<Json> json = Json::Parse(text);
  Check(json.status());
  for (const auto& [question, messages] : json->AsObject()) {
    Prompt prompt{question, {}};
    for (const Json& message : messages.AsArray()) {
      prompt.messages.push_back({message["role"].AsString(), message["content"].AsString()});
    }
    const std::string& content = prompt.messages.back().content;
    for (size_t at = 0; at < content.size() && settings.passages.size() < 32; at += 800) {
      settings.passages.push_back(content.substr(at, 800));
    }
    if (settings.prompts.size() < questions) settings.prompts.push_back(std::move(prompt));
  }
  std::printf("%-20s %-8s %10s %10s %10s %10s %10s %10s\n", "work", "threads", "embed p50", "p99", "TTFT p50", "p95",
              "tokens/s", "texts/s");
  Rows rows;
  for (size_t pair = 0; pair < settings.pairs; ++pair) RunPair(settings, pair % 2 == 0, rows);
  std::printf("median of %zu\n", settings.pairs);
  for (const auto& [key, of_pairs] : rows) {
    std::vector<double> medians;
    for (size_t column = 0; column < of_pairs.front().size(); ++column) {
      std::vector<double> values;
      for (const std::vector<double>& row : of_pairs) values.push_back(row[column]);
      medians.push_back(Median(values));
    }
    Print(key.first, key.second, medians);
  }
  return 0;
}
