// SPDX-License-Identifier: Apache-2.0
//
// Goal: a catalog of any older format reaches the newest one step at a time; what fails half way is taken up again, and
// a newer format is refused. Kills at every call are in tests/simulation.
#include "catalog/upgrade.h"

#include <gtest/gtest.h>

#include "base/str_cat.h"
#include "catalog/catalog.h"
#include "ragtime/version.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

class UpgradeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path());
    ASSERT_OK(Catalog::Create(file_, {{"a", "1"}}));
  }
  // Each notes that it ran; the second fails as long as `fail_`.
  std::vector<UpgradeStep> Steps(size_t count) {
    std::vector<UpgradeStep> steps;
    for (size_t i = 0; i < count; ++i) {
      steps.push_back({.what = "makes a note", .run = [this, i](Connection& connection) -> Status {
                         ++runs_;
                         RAGTIME_RETURN_IF_ERROR(connection.Execute(i == 0 ? "CREATE TABLE notes(n)" : "SELECT 1"));
                         RAGTIME_RETURN_IF_ERROR(connection.Execute("INSERT INTO notes VALUES(1)"));
                         return i == 1 && fail_ ? ResourceExhaustedError("no room") : Status();
                       }});
    }
    return steps;
  }
  int64_t Notes() {
    const auto connection = Value(Connection::Open(file_, Access::kRead));
    Query query = connection->Prepare("SELECT count(*) FROM notes");
    return Value(query.Step()) ? query.Int(0) : -1;
  }
  std::string Version() {
    const auto connection = Value(Connection::Open(file_, Access::kRead));
    Query query = connection->Prepare("SELECT value FROM settings WHERE key = 'format_version'");
    return Value(query.Step()) ? query.Text(0) : "";
  }

  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "catalog.sqlite";
  bool fail_ = false;
  int runs_ = 0;
};

TEST_F(UpgradeTest, EachStepRunsOnceInOrder) {
  ASSERT_OK(UpgradeCatalog(file_, Steps(2)));
  EXPECT_EQ(Version(), "2");
  ASSERT_OK(UpgradeCatalog(file_, Steps(2)));
  EXPECT_EQ(runs_, 2);
  ASSERT_OK(UpgradeCatalog(file_, Steps(4)));
  EXPECT_EQ(Version(), "4");
  EXPECT_EQ(Notes(), 4);
}

TEST_F(UpgradeTest, AStepThatFailsLeavesNothingAndIsTakenUpAgain) {
  fail_ = true;
  const Status failed = UpgradeCatalog(file_, Steps(3));
  EXPECT_THAT(failed, StatusIs(StatusCode::kResourceExhausted));
  EXPECT_NE(failed.message().find("from format 1, which makes a note: no room"), std::string::npos)
      << failed.ToString();
  EXPECT_EQ(Version(), "1");
  EXPECT_EQ(Notes(), 1);
  fail_ = false;
  ASSERT_OK(UpgradeCatalog(file_, Steps(3)));
  EXPECT_EQ(Version(), "3");
  EXPECT_EQ(Notes(), 3);
}

TEST_F(UpgradeTest, ANewerFormatIsRefusedAndUntouched) {
  ASSERT_OK(UpgradeCatalog(file_, Steps(3)));
  const Status refused = UpgradeCatalog(file_, Steps(2));
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.remedy().find("newer Ragtime"), std::string::npos);
  EXPECT_EQ(Version(), "3");
  EXPECT_THAT(Catalog::Open(file_, Access::kRead), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(UpgradeTest, ThereIsAStepForEachVersionAndNewOnesAreOfTheNewest) {
  EXPECT_EQ(CatalogSteps().size(), static_cast<size_t>(kFormatVersion));
  EXPECT_EQ(Version(), StrCat(kFormatVersion));
  EXPECT_EQ(Value(Catalog::Open(file_, Access::kRead))->format_version(), kFormatVersion);
}

}  // namespace
}  // namespace ragtime
