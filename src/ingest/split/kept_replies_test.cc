// SPDX-License-Identifier: Apache-2.0
//
// Goal: a reply is asked for once; another model, instruction or text is another request, and a file that was damaged,
// cut or removed costs a call and nothing else.
#include "ingest/split/kept_replies.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "testing/store_testing.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// Says what it was asked, and counts.
class Echo final : public Generator {
 public:
  explicit Echo(std::string model) { info_.model = std::move(model); }
  const GeneratorInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override { return text.size(); }
  Result<GenerationResult> Generate(const Context&, const GenerationRequest& request, const OnToken&) override {
    ++calls;
    if (!status.ok()) return status;
    return GenerationResult{.text = info_.model + ": " + request.messages.back().content, .truncated = truncated};
  }
  GeneratorInfo info_;
  Status status;
  bool truncated = false;
  std::atomic<int> calls = 0;
};

class KeptRepliesTest : public testing::Test {
 protected:
  std::string Ask(KeptReplies& kept, std::string system, std::string user) {
    std::string streamed;
    const auto result = kept.Generate({}, {.messages = {{"system", std::move(system)}, {"user", std::move(user)}}},
                                      [&streamed](Channel, std::string_view text) {
                                        streamed += text;
                                        return true;
                                      });
    return result.ok() ? result->text : result.status().ToString();
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(folder())) return files;
    for (const auto& entry : fs::directory_iterator(folder())) files.push_back(entry.path());
    return files;
  }
  fs::path folder() const { return temporary_.path() / "written"; }

  TemporaryFolder temporary_;
  std::shared_ptr<Echo> a_ = std::make_shared<Echo>("a");
  std::shared_ptr<Echo> b_ = std::make_shared<Echo>("b");
};

TEST_F(KeptRepliesTest, AsksOnceAndAgainForAnythingElse) {
  {
    KeptReplies kept(a_, folder());
    EXPECT_EQ(Ask(kept, "sum up", "数据库 text"), "a: 数据库 text");
    EXPECT_EQ(Ask(kept, "sum up", "数据库 text"), "a: 数据库 text");
    EXPECT_EQ(a_->calls, 1);
    EXPECT_EQ(kept.given_again(), 1u);
  }
  KeptReplies kept(a_, folder());  // Another process, another day.
  EXPECT_EQ(Ask(kept, "sum up", "数据库 text"), "a: 数据库 text");
  EXPECT_EQ(a_->calls, 1);
  Ask(kept, "sum", "up数据库 text");
  Ask(kept, "list", "数据库 text");
  EXPECT_EQ(a_->calls, 3);
  KeptReplies other(b_, folder());
  EXPECT_EQ(Ask(other, "sum up", "数据库 text"), "b: 数据库 text");
  EXPECT_EQ(Files().size(), 4u);
}

TEST_F(KeptRepliesTest, DamagedFilesAreNoReplies) {
  KeptReplies kept(a_, folder());
  Ask(kept, "s", "text");
  const fs::path file = Files().at(0);
  const auto size = fs::file_size(file);
  for (uintmax_t i = 0; i < size; ++i) {
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<std::streamoff>(i)).put('~');
    EXPECT_EQ(Ask(kept, "s", "text"), "a: text") << i;
    EXPECT_EQ(a_->calls, static_cast<int>(i) + 2);
  }
  for (const uintmax_t cut : {uintmax_t{0}, uintmax_t{5}, size - 1}) {
    fs::resize_file(file, cut);
    EXPECT_EQ(Ask(kept, "s", "text"), "a: text") << cut;
  }
  EXPECT_EQ(kept.given_again(), 0u);
}

TEST_F(KeptRepliesTest, KeepsNoErrorsAndNothingThatWasCutOff) {
  KeptReplies kept(a_, folder());
  a_->status = UnavailableError("gone", "start it");
  Ask(kept, "s", "text");
  a_->status = Status();
  a_->truncated = true;
  Ask(kept, "s", "text");
  EXPECT_TRUE(Files().empty());
}

TEST_F(KeptRepliesTest, TheLongestUnusedGoAndNothingElse) {
  fs::create_directories(folder());
  std::ofstream(folder() / "note.txt") << std::string(5000, 'n');
  KeptReplies kept(a_, folder(), 4000);
  for (int i = 0; i < 40; ++i) {
    Ask(kept, "s", std::string(100, 'x') + std::to_string(i));
    Ask(kept, "s", std::string(100, 'x') + "0");  // Used again and again.
  }
  EXPECT_EQ(a_->calls, 40);
  uintmax_t sum = 0;
  for (const fs::path& file : Files()) sum += file.extension() == ".reply" ? fs::file_size(file) : 0;
  EXPECT_LE(sum, 4000u);
  EXPECT_GE(sum, 2000u);
  EXPECT_TRUE(fs::exists(folder() / "note.txt"));
}

TEST_F(KeptRepliesTest, WithoutAFolderItOnlyAsks) {
  std::ofstream(folder()) << "a file stands here";
  KeptReplies kept(a_, folder());
  EXPECT_EQ(Ask(kept, "s", "text"), "a: text");
  EXPECT_EQ(Ask(kept, "s", "text"), "a: text");
  EXPECT_EQ(a_->calls, 2);
}

TEST_F(KeptRepliesTest, ManyThreadsShareTheFolder) {
  KeptReplies kept(a_, folder(), 2000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string((i * (t + 1)) % 20);
        EXPECT_EQ(Ask(kept, "s", text), "a: " + text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ragtime
