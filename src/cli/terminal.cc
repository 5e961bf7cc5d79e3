// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime::cli {
namespace {

constexpr int kBarCells = 30;

size_t TerminalColumns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A stage without files, as the comparison of two models, counts none.
std::string CountsInWords(const IngestProgress& progress) {
  const std::string files =
      progress.files_total == 0 ? "" : StrCat(progress.files_done, "/", Counted(progress.files_total, "file"), ", ");
  return files + Counted(progress.nodes_done, "node");
}

}  // namespace

ProgressPrinter::ProgressPrinter() : terminal_(::isatty(STDERR_FILENO) != 0) {}

ProgressPrinter::~ProgressPrinter() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
}

void ProgressPrinter::Show(const IngestProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool new_stage = progress.stage != last_stage_;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(2000);
  if (!new_stage && now - last_shown_ < pause) return;
  last_stage_ = progress.stage;
  last_shown_ = now;
  if (terminal_) {
    DrawBar(progress);
  } else {
    PrintLine(progress);
  }
}

void ProgressPrinter::DrawBar(const IngestProgress& progress) {
  const double share = progress.files_total == 0
                           ? 1.0
                           : static_cast<double>(progress.files_done) / static_cast<double>(progress.files_total);
  const int cells = static_cast<int>(share * kBarCells + 0.5);
  std::string bar;
  for (int i = 0; i < kBarCells; ++i) bar += i < cells ? "█" : "░";
  const std::string counts = CountsInWords(progress);
  const std::string head = progress.stage + " ";
  const size_t used = head.size() + kBarCells + 2 + counts.size();
  const size_t columns = TerminalColumns();
  const std::string file = columns > used + 12 ? Excerpt(progress.file, columns - used - 3) : "";
  std::fprintf(stderr, "\r\033[K%s%s %s %s", head.c_str(), bar.c_str(), counts.c_str(), file.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressPrinter::PrintLine(const IngestProgress& progress) {
  std::fprintf(stderr, "%s: %s committed%s%s\n", progress.stage.c_str(), CountsInWords(progress).c_str(),
               progress.file.empty() ? "" : ", last: ", progress.file.c_str());
}

void PrintWarnings(const std::vector<Warning>& warnings) {
  for (const Warning& warning : warnings) std::fprintf(stderr, "warning: %s\n", warning.message.c_str());
}

std::string Counted(uint64_t count, std::string_view noun) { return StrCat(count, " ", noun, count == 1 ? "" : "s"); }

std::string SizeInWords(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string TimeInWords(double ms) {
  std::array<char, 48> text{};
  if (ms >= 1000) {
    std::snprintf(text.data(), text.size(), "%.1f s", ms / 1000);
  } else {
    std::snprintf(text.data(), text.size(), ms < 10 ? "%.2f ms" : "%.0f ms", ms);
  }
  return text.data();
}

std::string Excerpt(const std::string& text, size_t characters_max) {
  std::string line;
  size_t characters = 0;
  bool space = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte <= ' ') {
      space = !line.empty();
      continue;
    }
    const bool starts_character = (byte & 0xC0) != 0x80;
    if (starts_character) {
      if (characters + (space ? 1 : 0) >= characters_max) return line + "…";
      if (space) {
        line += ' ';
        ++characters;
      }
      space = false;
      ++characters;
    }
    line += text[i];
  }
  return line;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    const char32_t c = character.code_point;
    const bool wide = IsCjk(c) || (c >= 0x3000 && c <= 0x303F) || (c >= 0xFF00 && c <= 0xFF60);
    width += wide ? 2 : 1;
    i += character.size_bytes;
  }
  return width;
}

}  // namespace ragtime::cli
