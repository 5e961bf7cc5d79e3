// SPDX-License-Identifier: Apache-2.0
//
// Goal: what RFC 4648 gives as examples is read, and what is no base64 is not.
#include "wire/base64.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

TEST(Base64, ReadsTheExamplesOfTheStandard) {
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("Zg=="), "f");
  EXPECT_EQ(DecodeBase64("Zm8="), "fo");
  EXPECT_EQ(DecodeBase64("Zm9v"), "foo");
  EXPECT_EQ(DecodeBase64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(DecodeBase64("AACAPw=="), std::string("\0\0\x80\x3f", 4));
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* wrong : {"Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-_", "=Zg="}) {
    EXPECT_EQ(DecodeBase64(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace ragtime
