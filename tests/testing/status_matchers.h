// SPDX-License-Identifier: Apache-2.0
//
// ASSERT_OK and EXPECT_OK take a Status or a Result and print the error; StatusIs matches a code.
#ifndef RAGTIME_TESTS_TESTING_STATUS_MATCHERS_H_
#define RAGTIME_TESTS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "ragtime/status.h"

namespace ragtime::testing_status {

inline const Status& StatusOf(const Status& status) { return status; }
template <typename T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}

template <typename T>
testing::AssertionResult IsOk(const T& tested) {
  if (tested.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << StatusOf(tested).ToString();
}

}  // namespace ragtime::testing_status

#define ASSERT_OK(expression) ASSERT_TRUE(::ragtime::testing_status::IsOk(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::ragtime::testing_status::IsOk(expression))

// The value of a Result, or an exception that fails the test with the error: for where ASSERT_OK cannot stand.
template <typename T>
T Value(ragtime::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

MATCHER_P(StatusIs, code, "has the code " + std::string(ragtime::StatusCodeName(code))) {
  const ragtime::Status& status = ragtime::testing_status::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code;
}

#endif  // RAGTIME_TESTS_TESTING_STATUS_MATCHERS_H_
