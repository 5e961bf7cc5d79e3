// SPDX-License-Identifier: Apache-2.0
//
// VerifyFolder reads all of a knowledge base and compares it with its checksums and with itself: segments with the
// catalog, the catalog with its own counters and rows.
//
// Threads: one thread; other processes may write meanwhile. Errors: what is damaged is in the result; an error is why
// it could not be looked at (cancelled, no permission).
#ifndef RAGTIME_STORE_EMBEDDED_VERIFY_H_
#define RAGTIME_STORE_EMBEDDED_VERIFY_H_

#include <vector>

#include "ragtime/context.h"
#include "ragtime/store.h"
#include "store/embedded/view.h"

namespace ragtime {

Result<std::vector<Damage>> VerifyFolder(const Context& context, const ViewSource& source);

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_VERIFY_H_
