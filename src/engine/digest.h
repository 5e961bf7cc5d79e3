// SPDX-License-Identifier: Apache-2.0
//
// A digest of documents says whether two stores hold the same: rows, texts, spans and the bits of every vector.
#ifndef RAGTIME_ENGINE_DIGEST_H_
#define RAGTIME_ENGINE_DIGEST_H_

#include <map>
#include <span>
#include <string>

#include "ragtime/document.h"
#include "ragtime/node.h"

namespace ragtime {

// 32 hex digits over the row without its ids and the time it was made, and over all of its nodes.
std::string DocumentDigest(const FileRecord& file, std::span<const NewNode> nodes);

// One for all documents, from those of each by path.
std::string DigestOfAll(const std::map<std::string, std::string>& by_path);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_DIGEST_H_
