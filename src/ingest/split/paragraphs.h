// SPDX-License-Identifier: Apache-2.0
//
// CutParagraphs cuts a document at its empty lines; a heading stays with the paragraph below it.
//
// Threads: may be called concurrently if the token counter may.
#ifndef RAGTIME_INGEST_SPLIT_PARAGRAPHS_H_
#define RAGTIME_INGEST_SPLIT_PARAGRAPHS_H_

#include <cstddef>
#include <vector>

#include "ingest/split/sentence_splitter.h"
#include "ingest/split/text_piece.h"
#include "ragtime/document.h"

namespace ragtime {

// A paragraph of more than `size_tokens` is cut as SentenceSplitter does, without overlap.
std::vector<TextPiece> CutParagraphs(const Document& document, size_t size_tokens, const TokenCounter& count_tokens);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_PARAGRAPHS_H_
