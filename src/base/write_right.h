// SPDX-License-Identifier: Apache-2.0
//
// WriteRight gives the right to write a store back at its end, on every way out.
#ifndef RAGTIME_BASE_WRITE_RIGHT_H_
#define RAGTIME_BASE_WRITE_RIGHT_H_

#include "ragtime/store.h"

namespace ragtime {

// Made after BeginWrite has succeeded. The store must outlive it.
class WriteRight {
 public:
  explicit WriteRight(Store& store) : store_(store) {}
  WriteRight(const WriteRight&) = delete;
  WriteRight& operator=(const WriteRight&) = delete;
  ~WriteRight() { store_.EndWrite(); }

 private:
  Store& store_;
};

}  // namespace ragtime

#endif  // RAGTIME_BASE_WRITE_RIGHT_H_
