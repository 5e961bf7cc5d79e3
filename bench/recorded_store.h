// SPDX-License-Identifier: Apache-2.0
//
// MakeRecordedStore makes a store that `ragtime search` opens as it opens what `ragtime ingest` made: it records a
// model, and the sizes of nodes.
#ifndef RAGTIME_BENCH_RECORDED_STORE_H_
#define RAGTIME_BENCH_RECORDED_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// Holds the right to write. Errors: those of opening the model and the store.
Result<std::unique_ptr<Store>> MakeRecordedStore(const std::string& folder, const std::string& model,
                                                 std::vector<FieldSpec> fields);

}  // namespace ragtime

#endif  // RAGTIME_BENCH_RECORDED_STORE_H_
