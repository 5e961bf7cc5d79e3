// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/heading_title.h"

#include <cstddef>

#include "text/utf8.h"

namespace ragtime {
namespace {

// An unclosed heading may hold the rest of its file, and each node keeps a copy of its titles.
constexpr size_t kTitleBytesMax = 256;

}  // namespace

std::string HeadingTitle(std::string_view text) {
  std::string title;
  bool space = false;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (IsSpace(character.code_point)) {
      space = !title.empty();
    } else {
      if (title.size() + character.size_bytes + 1 > kTitleBytesMax) break;
      if (space) title += ' ';
      space = false;
      title.append(text.substr(i, character.size_bytes));
    }
    i += character.size_bytes;
  }
  return title;
}

std::string MarkdownTitle(std::string_view text) {
  // What is longer is cut anyway, and looking for brackets stays linear.
  text = text.substr(0, CharacterStart(text, 4 * kTitleBytesMax));
  if (const size_t id = text.rfind("{#"); id != std::string_view::npos && text.ends_with('}'))
    text = text.substr(0, id);
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '`' || c == '*') continue;
    if (c == '\\' && i + 1 < text.size() &&
        std::string_view("\\`*_{}[]()#+-.!").find(text[i + 1]) != std::string_view::npos) {
      plain += text[++i];
      continue;
    }
    if (c == '[') {
      const size_t close = text.find("](", i);
      const size_t end = close == std::string_view::npos ? close : text.find(')', close);
      if (end != std::string_view::npos) {
        for (const char word : text.substr(i + 1, close - i - 1)) {
          if (word != '`' && word != '*') plain += word;
        }
        i = end;
        continue;
      }
    }
    plain += c;
  }
  return HeadingTitle(plain);
}

}  // namespace ragtime
