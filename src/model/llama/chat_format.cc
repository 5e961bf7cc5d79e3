// SPDX-License-Identifier: Apache-2.0
#include "model/llama/chat_format.h"

#include <llama.h>

#include <cstddef>
#include <cstdint>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

// The place of message i in a rendered template: bytes that neither a template nor a person writes.
std::string Placeholder(size_t i) { return StrCat("\x02", i, "\x03"); }

// The conversation with placeholders as contents, by the template; "" where llama.cpp does not know it.
std::string RenderTemplate(const char* name_or_text, std::span<const ChatMessage> messages) {
  std::vector<std::string> contents;
  for (size_t i = 0; i < messages.size(); ++i) contents.push_back(Placeholder(i));
  std::vector<llama_chat_message> chat;
  for (size_t i = 0; i < messages.size(); ++i) chat.push_back({messages[i].role.c_str(), contents[i].c_str()});
  std::string text(1024, '\0');
  for (int round = 0; round < 2; ++round) {
    const int32_t size = llama_chat_apply_template(name_or_text, chat.data(), chat.size(), true, text.data(),
                                                   static_cast<int32_t>(text.size()));
    if (size < 0) return "";
    const bool fits = static_cast<size_t>(size) <= text.size();
    text.resize(static_cast<size_t>(size));
    if (fits) return text;
  }
  return "";
}

// Cuts the rendered text at the placeholders. Empty unless each is there once and in order: some templates leave a
// message out or say it twice.
std::vector<std::string> CutAtPlaceholders(const std::string& text, size_t count) {
  std::vector<std::string> pieces;
  size_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string placeholder = Placeholder(i);
    const size_t at = text.find(placeholder, start);
    if (at == std::string::npos) return {};
    pieces.push_back(text.substr(start, at - start));
    start = at + placeholder.size();
  }
  pieces.push_back(text.substr(start));
  for (const std::string& piece : pieces) {
    if (piece.find('\x02') != std::string::npos) return {};
  }
  return pieces;
}

// What the template writes behind the last message.
std::string_view GenerationPrompt(std::string_view chat_template) {
  const size_t at = chat_template.rfind("add_generation_prompt");
  return at == std::string_view::npos ? std::string_view() : chat_template.substr(at);
}

// Whether it opens thinking there; "<think>\n\n</think>" is for conversations that are to be answered at once.
bool OpensThink(std::string_view text) {
  for (size_t at = 0; (at = text.find(kOpen, at)) != std::string_view::npos;) {
    at += kOpen.size();
    // Line breaks stand there as they are, or as "\n".
    size_t next = at;
    while (text.substr(next).starts_with("\\n") || text.substr(next).starts_with('\n')) {
      next += text[next] == '\n' ? 1 : 2;
    }
    if (!text.substr(next).starts_with(kClose)) return true;
  }
  return false;
}

}  // namespace

Result<ChatFormat> FormatChat(const char* chat_template, std::span<const ChatMessage> messages, bool may_think) {
  ChatFormat format;
  if (chat_template != nullptr) {
    format.pieces = CutAtPlaceholders(RenderTemplate(chat_template, messages), messages.size());
  }
  if (format.pieces.empty()) format.pieces = CutAtPlaceholders(RenderTemplate("chatml", messages), messages.size());
  if (format.pieces.empty()) return InternalError("llama.cpp renders no conversation");
  const std::string_view text = chat_template == nullptr ? "" : chat_template;
  format.thinks = text.find(kOpen) != std::string_view::npos || text.find(kClose) != std::string_view::npos;
  if (!format.thinks) return format;
  std::string& tail = format.pieces.back();
  const size_t open = tail.rfind(kOpen);
  format.opens_think = open != std::string::npos && tail.find(kClose, open) == std::string::npos;
  if (may_think) {
    if (open == std::string::npos && OpensThink(GenerationPrompt(text))) {
      tail += "<think>\n";
      format.opens_think = true;
    }
    return format;
  }
  if (format.opens_think) {
    tail += kCloseThink;
  } else if (open == std::string::npos) {
    tail += "<think>\n\n</think>\n\n";
  }
  format.opens_think = false;
  return format;
}

}  // namespace ragtime
