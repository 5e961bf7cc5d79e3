// SPDX-License-Identifier: Apache-2.0
//
// What a Store does where its backend does no better.
#include "ragtime/store.h"

namespace ragtime {

Status Store::ReplaceVectors(const Context&, const VectorReplacement&) {
  return UnimplementedError(
      "this type of store cannot exchange its vectors in place",
      "copy it to type ragtime with ragtime copy, reembed that, and copy it back to an empty store");
}

}  // namespace ragtime
