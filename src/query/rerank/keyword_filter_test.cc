// SPDX-License-Identifier: Apache-2.0
//
// Goal: only texts with every required and no excluded word pass, in their old order.
#include "query/rerank/keyword_filter.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

std::vector<size_t> Kept(std::vector<std::string> required, std::vector<std::string> excluded,
                         const std::vector<std::string>& texts) {
  std::vector<RerankCandidate> candidates;
  for (const std::string& text : texts) candidates.push_back({static_cast<NodeId>(candidates.size() + 1), text, 1.0});
  const auto ranked = KeywordFilter(required, excluded).Rerank({}, "question", candidates);
  EXPECT_TRUE(ranked.ok());
  std::vector<size_t> indexes;
  for (const RankedCandidate& candidate : *ranked) indexes.push_back(candidate.index);
  return indexes;
}

TEST(KeywordFilter, WantsEveryRequiredWordInAnyForm) {
  EXPECT_EQ(Kept({"Backup", "restore"}, {}, {"restoring backups", "a backup", "Restore the BACKUP"}),
            (std::vector<size_t>{0, 2}));
}

TEST(KeywordFilter, RefusesExcludedWords) {
  EXPECT_EQ(Kept({}, {"windows"}, {"on Windows", "on Linux"}), (std::vector<size_t>{1}));
  EXPECT_EQ(Kept({}, {}, {"a", "b"}), (std::vector<size_t>{0, 1}));
}

TEST(KeywordFilter, KnowsChinese) {
  EXPECT_EQ(Kept({"备份"}, {"恢复"}, {"如何备份数据", "备份与恢复", "安装"}), (std::vector<size_t>{0}));
}

TEST(KeywordFilter, StopsWhenCancelled) {
  std::stop_source source;
  source.request_stop();
  const std::vector<RerankCandidate> candidates = {{1, "a", 1}};
  const auto ranked = KeywordFilter({}, {}).Rerank({.stop = source.get_token()}, "q", candidates);
  EXPECT_EQ(ranked.status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace ragtime
