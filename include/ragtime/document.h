// SPDX-License-Identifier: Apache-2.0
//
// A Document is one source file: the row that the files table keeps of it (FileRecord), and what a reader took out of
// it (Document).
#ifndef RAGTIME_DOCUMENT_H_
#define RAGTIME_DOCUMENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/node.h"

namespace ragtime {

enum class FileStatus { kPending = 0, kReady = 1, kFailed = 2 };
std::string_view FileStatusName(FileStatus status);  // "pending", "ready", "failed"

// A row of the files table. A folder is a row too, so that the tree can be browsed.
struct FileRecord {
  DocumentId id = 0;      // 0: not stored yet.
  std::string file_name;  // Last part of file_path.
  std::string file_path;  // Relative to the knowledge base's root, '/' between parts; bytes that are not UTF-8 as %XX.
  std::string file_type;  // "txt", "md", "html"; "" for a folder.
  bool is_dir = false;
  uint64_t file_size = 0;               // Bytes.
  std::optional<DocumentId> parent_id;  // The folder's row; none at the top.
  int64_t create_time_ms = 0;           // When the row was made, Unix time.
  int64_t modified_time_ns = 0;         // Of the file on disk when it was read, Unix time.
  std::string content_hash;             // 32 hex digits (XXH3-128 of the bytes); "" for a folder.
  std::string encoding;                 // Of the source: "UTF-8", "GB18030", ...; byte spans index these bytes.
  // As content_hash, of what `fields` come from beside it: declarations, sidecar, caller. Behind it, where node groups
  // are configured, a point and a hash of them.
  std::string meta_hash;
  Fields fields;  // What doc_fields declares, where the document has it.
  FileStatus status = FileStatus::kPending;
  std::string error;   // Why status is kFailed, with the remedy; else "".
  uint64_t nodes = 0;  // Live nodes of this document.
  friend bool operator==(const FileRecord&, const FileRecord&) = default;
};

// The columns of the files table as fields that a filter can name: file_name, file_path, file_type, is_dir, file_size,
// create_time, modified_time, encoding, status, error, nodes.
std::span<const FieldSpec> FileFields();
// One of FileFields(), or of file.fields; null for any other name.
FieldValue FileFieldValue(const FileRecord& file, std::string_view name);

// What a byte range of Document::text is in the source. Runs are in order of text_start and cover the text without
// gaps.
struct TextRun {
  uint64_t text_start = 0;
  uint64_t source_start = 0;
  // True: text and source advance together byte by byte to the next run. False: the whole run came from
  // [source_start, source_end) by decoding (an entity, another encoding, a newline put in by the reader).
  bool verbatim = true;
  uint64_t source_end = 0;  // Where the run ends in the source.
};

// A heading of the document, found by its reader.
struct Heading {
  uint64_t text_start = 0;  // Nodes from here on stand under it, until a heading of the same or a smaller level.
  int level = 1;            // 1 is outermost.
  std::string title;
};

// What a reader takes out of a file.
struct Document {
  std::string text;               // UTF-8, without markup. Paragraphs are separated by "\n\n".
  std::vector<TextRun> runs;      // From text to source; empty: nothing of the source can be pointed at.
  std::vector<Heading> headings;  // In order of text_start.
  std::string encoding;           // Of the source.
  std::string front_matter;       // YAML that stands before the text, from its first line ---; "" if there is none.
  std::vector<std::string> warnings;

  // The smallest range of the source that holds text [start, end); none if runs is empty.
  std::optional<Span> SourceSpan(uint64_t start, uint64_t end) const;
};

}  // namespace ragtime

#endif  // RAGTIME_DOCUMENT_H_
