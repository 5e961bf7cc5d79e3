// SPDX-License-Identifier: Apache-2.0
//
// What a hybrid search takes without the embedding of its question: hybrid FOLDER DATA ROWS QUESTIONS COLD
// [SEARCH_THREADS ...] prints the p50 and p99 of QUESTIONS searches, warm, of each stage and of all, and of COLD
// searches whose store was just opened with nothing of its files in memory. With SEARCH_THREADS it also prints, for
// each number of them, what the vector route takes alone.
//
// FOLDER is a knowledge base that store_make made of the first ROWS rows of DATA. A question has the vector of one of
// DATA's questions and 2 to 8 neighbouring words, or characters of Chinese, of a random row. Hits come with their texts
// and file names, as users get them.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "engine/builtin.h"
#include "query/search.h"
#include "store_data.h"

namespace ragtime {
namespace {

constexpr size_t kWarmUp = 50;
constexpr size_t kRouteLimit = 50;  // As deep as a route looks at top_k 10.

// Gives the vector that it was set to.
class GivenVector final : public Embedder {
 public:
  const EmbedderInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override { return text.size() / 4; }
  Result<std::vector<float>> Embed(const Context&, std::span<const std::string>, TextKind) override { return vector_; }
  void Set(std::span<const float> vector) { vector_.assign(vector.begin(), vector.end()); }

 private:
  const EmbedderInfo info_{.model = "given", .fingerprint = "given", .dimension = StoreData::kDimension};
  std::vector<float> vector_;
};

std::string QuestionOf(std::string_view text, std::mt19937& random) {
  std::vector<std::string_view> words;
  for (size_t start = 0; (start = text.find_first_not_of(" \n", start)) != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(" \n", start), text.size());
    words.push_back(text.substr(start, end - start));
    start = end;
  }
  const size_t count = std::min<size_t>(2 + random() % 7, words.size());
  const size_t first = random() % (words.size() - count + 1);
  std::string question;
  for (size_t i = first; i < first + count; ++i) {
    if (!question.empty()) question += ' ';
    // Chinese has no spaces: as many characters instead.
    const bool chinese = static_cast<unsigned char>(words[i][0]) >= 0xE4;
    question += chinese ? words[i].substr(0, 3 * count) : words[i];
    if (chinese) break;
  }
  return question;
}

// Makes the system forget what it has of the files in memory.
void Forget(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    (void)::fdatasync(fd);
    (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

using Times = std::map<std::string, std::vector<double>>;

void Print(const char* what, const Times& times) {
  std::printf("%s:", what);
  for (const auto& [stage, ms] : times) {
    std::printf(" %s p50 %.3f p99 %.3f;", stage.c_str(), Median(ms), Quantile(ms, 0.99));
  }
  std::printf(" %zu searches, ms\n", times.empty() ? 0 : times.begin()->second.size());
}

Status Run(char** argv) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(argv[2], std::strtoull(argv[3], nullptr, 10)));
  const size_t questions = std::strtoull(argv[4], nullptr, 10);
  const size_t cold = std::strtoull(argv[5], nullptr, 10);
  Config config;
  config.store.uri = argv[1];
  std::mt19937 random(7);
  const auto embedder = std::make_shared<GivenVector>();
  ThreadPool pool(2);
  const auto search = [&](const std::shared_ptr<const Snapshot>& snapshot, size_t i, Times* times) -> Status {
    SearchOptions options;
    options.recall.question = QuestionOf(data.text(random() % data.rows()), random);
    embedder->Set(data.query(i % data.queries()));
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(const Searched searched, SearchNodes(options, snapshot, embedder, pool));
    const double ms = stopwatch.ElapsedMs();
    if (!searched.result.warnings.empty()) return InternalError(searched.result.warnings[0].message);
    if (times == nullptr) return Status();
    for (const auto& [stage, stage_ms] : searched.result.timings_ms) (*times)[stage].push_back(stage_ms);
    (*times)["measured"].push_back(ms);
    return Status();
  };
  Times warm_times, cold_times;
  {
    RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
    for (size_t i = 0; i < questions + kWarmUp; ++i) {
      RAGTIME_RETURN_IF_ERROR(search(snapshot, i, i < kWarmUp ? nullptr : &warm_times));
    }
  }
  Print("warm", warm_times);
  for (char** threads = argv + 6; *threads != nullptr; ++threads) {
    config.store.search_threads = std::strtoull(*threads, nullptr, 10);
    RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
    Times vector_times;
    for (size_t i = 0; i < questions + kWarmUp; ++i) {
      const VectorQuery query{.vector = data.query(i % data.queries()), .limit = kRouteLimit};
      const Stopwatch stopwatch;
      RAGTIME_RETURN_IF_ERROR(snapshot->SearchVector({}, query).status());
      if (i >= kWarmUp) vector_times["vector alone"].push_back(stopwatch.ElapsedMs());
    }
    Print(*threads, vector_times);
  }
  config.store.search_threads = 0;
  for (size_t i = 0; i < cold; ++i) {
    Forget(argv[1]);
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
    RAGTIME_RETURN_IF_ERROR(search(snapshot, i, &cold_times));
    cold_times["with open"].push_back(stopwatch.ElapsedMs());
  }
  if (cold > 0) Print("cold", cold_times);
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: hybrid FOLDER DATA ROWS QUESTIONS COLD [SEARCH_THREADS ...]\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Run(argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
