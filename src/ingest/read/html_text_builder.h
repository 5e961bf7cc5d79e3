// SPDX-License-Identifier: Apache-2.0
//
// HtmlTextBuilder writes the text of a page and its runs: white space collapsed, character references decoded, and
// between pieces the separator that was last asked for. A separator is written only when text follows, so none is
// doubled.
#ifndef RAGTIME_INGEST_READ_HTML_TEXT_BUILDER_H_
#define RAGTIME_INGEST_READ_HTML_TEXT_BUILDER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/read/run_builder.h"
#include "ragtime/document.h"

namespace ragtime {

enum class HtmlBreak { kNone, kLine, kParagraph };

class HtmlTextBuilder {
 public:
  // `source` is valid UTF-8 and must outlive the builder; every position is one of its offsets.
  explicit HtmlTextBuilder(std::string_view source) : source_(source) {}

  // The text in [start, end) of the source. `preformatted`: white space is kept.
  void Text(size_t start, size_t end, bool preformatted);
  void Break(HtmlBreak kind);
  void ForcedLine();  // <br>: two in a row make a paragraph.
  void Row();
  void Cell();
  // The next text is a list item that starts with `bullet`, whose tag is at `position`.
  void Item(std::string bullet, size_t position);
  // The next text stands on the line below its term, whatever blocks it is in.
  void Definition();
  void EndItem() {
    bullet_.clear();
    in_definition_ = false;
  }
  void StartHeading(int level);
  void EndHeading();
  // <pre> drops a newline right behind its tag.
  void DropNextNewline() { drop_newline_ = true; }

  // True if there is text outside of headings.
  bool has_body() const { return has_body_; }
  Document Finish();

 private:
  size_t WriteSpace(size_t i, size_t end, bool preformatted);
  void WriteInk(size_t start, size_t end);
  void WriteReference(size_t start, size_t end, std::string_view decoded, bool preformatted);
  void StartInk(size_t position, char32_t first);
  void Insert(std::string_view separator, size_t start, size_t end);

  const std::string_view source_;
  Document document_;
  RunBuilder runs_;
  size_t source_end_ = 0;  // Of what was last written.

  HtmlBreak break_ = HtmlBreak::kNone;
  bool break_is_forced_ = false;
  size_t cells_ = 0;  // Cells that were begun since the last text.
  bool row_has_text_ = false;
  bool in_definition_ = false;  // Nothing of it was written yet.
  std::string bullet_;
  size_t bullet_position_ = 0;
  bool space_ = false;
  bool space_has_newline_ = false;
  size_t space_start_ = 0;
  size_t space_end_ = 0;
  bool drop_newline_ = false;

  int heading_level_ = 0;  // 0: outside of headings.
  std::optional<size_t> heading_start_;
  bool has_body_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_HTML_TEXT_BUILDER_H_
