// SPDX-License-Identifier: Apache-2.0
//
// CheckConsistent asks a snapshot everything twice in different ways: what a reader that knows no model can check.
//
// Threads: one thread. Errors: kInternal says what contradicts what; those of the snapshot are passed on.
#ifndef RAGTIME_TESTS_TESTING_STORE_CONSISTENCY_H_
#define RAGTIME_TESTS_TESTING_STORE_CONSISTENCY_H_

#include <cstddef>

#include "ragtime/store.h"
#include "testing/store_testing.h"

namespace ragtime {

Status CheckConsistent(const Snapshot& snapshot, Random& random, size_t dimension);

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_STORE_CONSISTENCY_H_
