// SPDX-License-Identifier: Apache-2.0
//
// An ImportSource reads a collection of texts and vectors that another program has made, in batches.
//
// Threads: one thread at a time. Errors name the file or server and what is wrong with its layout.
#ifndef RAGTIME_INGEST_IMPORT_IMPORT_SOURCE_H_
#define RAGTIME_INGEST_IMPORT_IMPORT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

struct ImportedNode {
  std::string id;    // In its own collection.
  std::string text;  // May be "", where the metadata holds it.
  // What the vector may have been made of, where that is more than the text: metadata written in front of it. Several
  // where the program leaves open which; empty: the text.
  std::vector<std::string> embedded_texts;
  std::vector<float> vector;     // Empty where the collection has none.
  Json metadata;                 // An object, or null.
  std::string document;          // Which document it is a piece of, as the collection says; "": it does not.
  std::optional<int64_t> order;  // Within its document; none: as it comes.
};

class ImportSource {
 public:
  virtual ~ImportSource() = default;
  ImportSource(const ImportSource&) = delete;
  ImportSource& operator=(const ImportSource&) = delete;

  // Whether the program keeps vectors at all. Where not, texts are embedded when they come in.
  virtual bool keeps_vectors() const { return true; }
  // At most `limit` further nodes; none at the end.
  virtual Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) = 0;

 protected:
  ImportSource() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_IMPORT_IMPORT_SOURCE_H_
