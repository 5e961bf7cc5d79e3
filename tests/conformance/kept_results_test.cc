// SPDX-License-Identifier: Apache-2.0
//
// Goal: what a cache gives back is what would be computed, never stale after a write; answers stream; conversations go
// on; similar questions are labelled. Method: a knowledge base with a cache beside a twin on the same folder without
// one, random writes by either between the questions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "ragtime/knowledge_base.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

const std::vector<std::string> kQuestions = {"How do I restore a backup?", "When does the library open?",
                                             "如何恢复备份？", "Which port does the server listen on?",
                                             "图书馆几点开门？"};

class KeptResults : public testing::Test {
 protected:
  std::unique_ptr<KnowledgeBase> Open(const std::string& cache_type, size_t threads = 2) {
    Config config;
    config.store.uri = (folder_.path() / "kb").string();
    config.models_path = RAGTIME_TEST_MODELS;
    config.llm.api = "none";
    config.answer.mode = AnswerMode::kExtract;
    config.cache.type = cache_type;
    config.cache.similar_questions = similar_;
    config.threads = threads;
    return Value(KnowledgeBase::Open(config));
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(Documents());
    std::ofstream(Documents() / name) << text;
  }
  std::filesystem::path Documents() const { return folder_.path() / "documents"; }
  void Ingest(KnowledgeBase& kb) { ASSERT_OK(kb.Ingest({Documents()})); }

  TemporaryFolder folder_;
  bool similar_ = false;
};

std::string Shown(const SearchResult& result) {
  std::string out;
  for (const SearchHit& hit : result.hits) {
    out += StrCat(hit.node.id, " ", hit.score, " ", hit.file, " ", hit.node.text, "\n");
    for (const auto& [route, score] : hit.scores) out += StrCat("  ", route, " ", score, "\n");
  }
  return out;
}

std::string Shown(const Answer& answer) {
  std::string out = StrCat(answer.text, "\n", answer.found, "\n");
  for (const Citation& citation : answer.citations) {
    out += StrCat(citation.marker, " ", citation.node_id, " ", citation.file, " ", citation.quote, "\n");
    if (citation.bytes) out += StrCat(citation.bytes->start, "-", citation.bytes->end, "\n");
  }
  return out;
}

TEST_F(KeptResults, AreNeverStale) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  Random random(seed);
  Write("backup.md", "To restore a backup, stop the server and copy the files back.");
  Write("library.md", "The library opens at nine. 图书馆九点开门。");
  const auto cached = Open("memory");
  Ingest(*cached);
  const auto twin = Open("none");
  size_t given_again = 0;
  for (int step = 0; step < 60; ++step) {
    if (random.OneIn(4)) {
      const std::string name = StrCat("page", random.Below(4), ".md");
      KnowledgeBase& writer = random.OneIn(2) ? *cached : *twin;
      if (random.OneIn(4)) {
        std::filesystem::remove(Documents() / name);
      } else {
        Write(name, StrCat("The server listens on port ", random.Below(9000), ". To restore a backup takes ",
                           random.Below(90), " minutes. 恢复备份需要", random.Below(90), "分钟。"));
      }
      Ingest(writer);
    }
    const std::string& question = kQuestions[random.Below(kQuestions.size())];
    const SearchRequest search{
        .query = question, .top_k = 1 + random.Below(3), .filter = random.OneIn(3) ? "file_type = \"md\"" : ""};
    const SearchResult found = Value(cached->Search(search));
    const SearchResult expected = Value(twin->Search(search));
    ASSERT_EQ(Shown(found), Shown(expected)) << "step " << step << ", cached " << found.cached;
    EXPECT_FALSE(expected.cached);
    const Answer answer = Value(cached->Ask({.question = question}));
    ASSERT_EQ(Shown(answer), Shown(Value(twin->Ask({.question = question})))) << "step " << step;
    given_again += (found.cached ? 1 : 0) + (answer.cached ? 1 : 0);
  }
  EXPECT_GT(given_again, 5u);
  const KnowledgeBaseStatistics statistics = Value(cached->Statistics());
  EXPECT_EQ(statistics.cache, "memory");
  EXPECT_GE(statistics.cache_counts.hits, given_again);
  EXPECT_EQ(Value(twin->Statistics()).cache, "");
}

TEST_F(KeptResults, ManyAtOnceFindWhatEachFinds) {
  for (int i = 0; i < 12; ++i) {
    Write(StrCat("page", i, ".md"), StrCat("The server listens on port ", 8000 + i, ". To restore a backup takes ", i,
                                           " minutes. 恢复备份需要", i, "分钟。图书馆九点开门。"));
  }
  Ingest(*Open("none"));
  std::vector<SearchRequest> requests;
  std::vector<std::string> expected;
  {
    const auto kb = Open("none", 1);
    for (size_t i = 0; i < 10; ++i) {
      requests.push_back({.query = StrCat(kQuestions[i % kQuestions.size()], " ", i % 12), .top_k = 1 + i % 7});
      expected.push_back(Shown(Value(kb->Search(requests.back()))));
      EXPECT_NE(expected.back(), "");
    }
    // One that fails fails alone.
    requests.insert(requests.begin() + 5, {.query = " "});
    expected.insert(expected.begin() + 5, "");
  }
  for (const char* cache : {"none", "memory"}) {
    for (const size_t threads : {1u, 2u, 4u}) {
      const auto kb = Open(cache, threads);
      for (int round = 0; round < (cache == std::string_view("memory") ? 2 : 1); ++round) {
        const std::vector<Result<SearchResult>> found = kb->SearchMany(requests);
        ASSERT_EQ(found.size(), requests.size());
        for (size_t i = 0; i < found.size(); ++i) {
          ASSERT_EQ(found[i].ok(), i != 5) << found[i].status().ToString();
          EXPECT_EQ(found[i].ok() ? Shown(*found[i]) : "", expected[i])
              << cache << ", " << threads << " threads, " << i;
        }
      }
    }
  }
}

TEST_F(KeptResults, OtherParametersAreOtherResults) {
  Write("backup.md", "To restore a backup, stop the server.\n\nA backup takes ten minutes.");
  const auto kb = Open("memory");
  Ingest(*kb);
  EXPECT_FALSE(Value(kb->Search({.query = "restore"})).cached);
  EXPECT_TRUE(Value(kb->Search({.query = "restore"})).cached);
  EXPECT_FALSE(Value(kb->Search({.query = "restore", .top_k = 1})).cached);
  EXPECT_FALSE(Value(kb->Search({.query = "restore", .route = Route::kKeyword})).cached);
  EXPECT_FALSE(Value(kb->Search({.query = "restore", .filter = "page is null"})).cached);
  EXPECT_FALSE(Value(kb->Search({.query = "Restore"})).cached);
  EXPECT_EQ(kb->Search({.query = "restore", .filter = "no such field = 1"}).status().code(),
            StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(kb->Search({.query = "restore", .context = {.stop = stop.get_token()}}).status().code(),
            StatusCode::kCancelled);
}

TEST_F(KeptResults, AKeptAnswerStreamsLikeAnother) {
  Write("backup.md", "To restore a backup, stop the server and copy the files back to their folder.");
  const auto kb = Open("memory");
  Ingest(*kb);
  std::string first;
  std::string second;
  const auto into = [](std::string& text) {
    return [&text](Channel, std::string_view piece) {
      text += piece;
      return true;
    };
  };
  const Answer made = Value(kb->Ask({.question = kQuestions[0], .on_token = into(first)}));
  const Answer again = Value(kb->Ask({.question = kQuestions[0], .on_token = into(second)}));
  EXPECT_FALSE(made.cached);
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(first, made.text);
  EXPECT_EQ(second, made.text);
  EXPECT_EQ(Shown(again), Shown(made));
  EXPECT_TRUE(again.timings_ms.contains("cache"));
  EXPECT_FALSE(again.timings_ms.contains("embed"));
  // A reader that leaves gets no more, and what it left is not kept in place of the whole.
  const AskRequest leaving{.question = "How are the files of a backup copied back?",
                           .on_token = [](Channel, std::string_view) { return false; }};
  EXPECT_FALSE(Value(kb->Ask(leaving)).cached);
  EXPECT_FALSE(Value(kb->Ask({.question = leaving.question})).cached);
}

TEST_F(KeptResults, AConversationGoesOn) {
  Write("backup.md", "To restore a backup of the archive, stop the server. Restoring the backup takes ten minutes.");
  Write("library.md", "The library opens at nine on Sundays.");
  const auto kb = Open("memory");
  Ingest(*kb);
  AskRequest request{.question = "How do I restore a backup of the archive?", .session = "s", .owner = "ann"};
  EXPECT_EQ(Value(kb->Ask(request)).standalone_question, std::nullopt);
  request.question = "How long does it take?";
  const Answer answer = Value(kb->Ask(request));
  EXPECT_EQ(answer.standalone_question, "How do I restore a backup of the archive? How long does it take?");
  EXPECT_THAT(answer.text, testing::HasSubstr("ten minutes"));
  // Another owner, or another name, is another conversation.
  request.owner = "bob";
  EXPECT_EQ(Value(kb->Ask(request)).standalone_question, std::nullopt);
  request.owner = "ann";
  request.session = "t";
  EXPECT_EQ(Value(kb->Ask(request)).standalone_question, std::nullopt);
  // It goes on across a write.
  Write("more.md", "Archives are kept for a year.");
  Ingest(*kb);
  request.session = "s";
  EXPECT_NE(Value(kb->Ask(request)).standalone_question, std::nullopt);
  EXPECT_EQ(Open("none")->Ask(request).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(KeptResults, ASimilarQuestionGetsTheAnswerWithItsLabel) {
  similar_ = true;
  Write("backup.md", "To restore a backup, stop the server and copy the files back to their folder.");
  Write("library.md", "The library opens at nine on Sundays.");
  const auto kb = Open("memory");
  Ingest(*kb);
  const Answer made = Value(kb->Ask({.question = "How do I restore a backup?"}));
  std::string streamed;
  const Answer again = Value(
      kb->Ask({.question = "How can I restore a backup?", .on_token = [&streamed](Channel, std::string_view piece) {
                 streamed += piece;
                 return true;
               }}));
  EXPECT_EQ(again.similar_question, "How do I restore a backup?");
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(Shown(again), Shown(made));
  EXPECT_EQ(streamed, made.text);
  EXPECT_EQ(Value(kb->Ask({.question = "How do I restore no backup?"})).similar_question, std::nullopt);
  EXPECT_EQ(Value(kb->Ask({.question = "Why do I restore a backup?"})).similar_question, std::nullopt);
  // After a write nothing of before is given again.
  Write("more.md", "Backups are kept for a year.");
  Ingest(*kb);
  EXPECT_EQ(Value(kb->Ask({.question = "How can I restore a backup?"})).similar_question, std::nullopt);
}

TEST_F(KeptResults, AWrongCacheIsAnErrorAndADeadOneAWarning) {
  Config config;
  config.store.uri = (folder_.path() / "kb").string();
  config.models_path = RAGTIME_TEST_MODELS;
  config.llm.api = "none";
  config.cache.type = "redis";
  EXPECT_EQ(KnowledgeBase::Open(config).status().code(), StatusCode::kInvalidArgument);
  config.cache.uri = "memcached://127.0.0.1";
  EXPECT_EQ(KnowledgeBase::Open(config).status().code(), StatusCode::kInvalidArgument);
  config.cache.uri = "redis://127.0.0.1:1";  // Nobody listens there.
  Write("backup.md", "To restore a backup, stop the server.");
  const auto kb = Value(KnowledgeBase::Open(config));
  Ingest(*kb);
  const SearchResult result = Value(kb->Search({.query = "restore a backup"}));
  EXPECT_EQ(result.hits.size(), 1u);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(result.warnings[0].code, "cache_bypassed");
  EXPECT_THAT(result.warnings[0].message, testing::HasSubstr("redis 127.0.0.1:1"));
  EXPECT_OK(kb->Ask({.question = "How do I restore a backup?", .session = "s"}));
  EXPECT_FALSE(Value(kb->Statistics()).cache_condition.ok());
}

}  // namespace
}  // namespace ragtime
