// SPDX-License-Identifier: Apache-2.0
//
// CheckCacheKey says whether a key has a length that every backend takes.
#ifndef RAGTIME_CACHE_CACHE_KEY_H_
#define RAGTIME_CACHE_CACHE_KEY_H_

#include <string_view>

#include "ragtime/cache.h"
#include "ragtime/status.h"

namespace ragtime {

Status CheckCacheKey(std::string_view key);

}  // namespace ragtime

#endif  // RAGTIME_CACHE_CACHE_KEY_H_
