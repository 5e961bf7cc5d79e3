// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_key.h"

#include "base/str_cat.h"

namespace ragtime {

Status CheckCacheKey(std::string_view key) {
  if (!key.empty() && key.size() <= kCacheKeyBytesMax) return Status();
  return InvalidArgumentError(StrCat("a cache key has ", key.size(), " bytes"),
                              StrCat("use 1 to ", kCacheKeyBytesMax, " bytes, or a hash"));
}

}  // namespace ragtime
