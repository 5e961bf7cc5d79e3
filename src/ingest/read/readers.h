// SPDX-License-Identifier: Apache-2.0
//
// BuiltinReaders makes the readers that need nothing but this library: txt, md, html.
#ifndef RAGTIME_INGEST_READ_READERS_H_
#define RAGTIME_INGEST_READ_READERS_H_

#include <memory>
#include <vector>

#include "ragtime/reader.h"

namespace ragtime {

std::vector<std::unique_ptr<Reader>> BuiltinReaders();

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_READERS_H_
