// SPDX-License-Identifier: Apache-2.0
//
// Goal: the digests of FIPS 180-4's examples, at every length around a block's end.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace ragtime {
namespace {

TEST(Sha256Test, IsWhatTheStandardSays) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, CoversEveryLengthAroundABlock) {
  // Chained, so that one digest stands for all lengths; made with hashlib of Python.
  std::string chain;
  for (size_t length = 50; length < 70; ++length) chain = Sha256(chain + std::string(length, 'x'));
  EXPECT_EQ(chain, "0b0af0343b8a9795b00ac5b35951ecb9621f411b2bb3a46b5395e5053764dcb4");
}

}  // namespace
}  // namespace ragtime
