// SPDX-License-Identifier: Apache-2.0
#include "query/rewrite/verbatim.h"

#include "text/utf8.h"

namespace ragtime {

std::string NormaliseQuestion(std::string_view question) {
  std::string out;
  bool space = false;
  for (size_t i = 0; i < question.size();) {
    const DecodedCharacter character = DecodeUtf8(question, i);
    i += character.size_bytes;
    // Control characters have no meaning in a question, and a terminal or a prompt might obey them.
    if (IsSpace(character.code_point) || character.code_point < 0x20 || character.code_point == 0x7F) {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    AppendUtf8(character.code_point, out);
  }
  return out;
}

Result<RewrittenQuery> VerbatimRewriter::Rewrite(const Context&, std::string_view question) const {
  std::string text = NormaliseQuestion(question);
  return RewrittenQuery{.text = text, .keywords = text};
}

}  // namespace ragtime
