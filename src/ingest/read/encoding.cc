// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/encoding.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "ingest/read/run_builder.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// A longer decoded run would make the span of a node that starts inside of it too wide.
constexpr size_t kRunCharactersMax = 32;
// How much of a file is looked at to tell text from binary.
constexpr size_t kSniffBytes = 65536;

// Writes decoded characters one after the other, and their runs.
class DecodedWriter {
 public:
  explicit DecodedWriter(size_t size_bytes) { text_.reserve(size_bytes); }

  // `code_point` came from [start, end) of the source; `same` if those bytes are its UTF-8.
  void Write(char32_t code_point, uint64_t start, uint64_t end, bool same) {
    if (same) {
      runs_.AddVerbatim(text_.size(), start);
      run_characters_ = 0;
    } else {
      WriteDecoded(code_point, start, end);
    }
    AppendUtf8(code_point, text_);
    ++characters_;
  }

  size_t characters() const { return characters_; }

  DecodedText Finish(std::string encoding) {
    DecodedText decoded;
    decoded.runs = runs_.Finish(text_.size());
    decoded.text = std::move(text_);
    decoded.encoding = std::move(encoding);
    return decoded;
  }

 private:
  // Nodes start and end at white space and punctuation, so each such character is a run of its own: spans stay tight.
  static bool IsBoundary(char32_t c) {
    return IsSpace(c) || (c < 0x80 && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) ||
           (c >= 0x2010 && c <= 0x2046) || (c >= 0x3001 && c <= 0x301F) || (c >= 0xFF01 && c <= 0xFF65);
  }

  void WriteDecoded(char32_t code_point, uint64_t start, uint64_t end) {
    const bool boundary = IsBoundary(code_point) || code_point == kReplacementCharacter;
    const bool goes_on = run_characters_ > 0 && run_characters_ < kRunCharactersMax && !boundary && !run_is_boundary_ &&
                         run_source_end_ == start;
    if (goes_on) {
      runs_.AddDecoded(run_text_start_, run_source_start_, end);
      run_source_end_ = end;
      ++run_characters_;
      return;
    }
    run_text_start_ = text_.size();
    run_source_start_ = start;
    run_source_end_ = end;
    run_characters_ = 1;
    run_is_boundary_ = boundary;
    runs_.AddDecoded(run_text_start_, start, end);
  }

  std::string text_;
  RunBuilder runs_;
  size_t characters_ = 0;
  // The decoded run being written; none if run_characters_ is 0.
  size_t run_characters_ = 0;
  bool run_is_boundary_ = false;
  uint64_t run_text_start_ = 0;
  uint64_t run_source_start_ = 0;
  uint64_t run_source_end_ = 0;
};

DecodedText Verbatim(std::string_view bytes, size_t skip) {
  DecodedText decoded;
  decoded.text = std::string(bytes.substr(skip));
  decoded.encoding = "UTF-8";
  RunBuilder runs;
  runs.AddVerbatim(0, skip);
  if (!decoded.text.empty()) decoded.runs = runs.Finish(decoded.text.size());
  return decoded;
}

std::string ReplacedWarning(size_t count, std::string_view encoding) {
  return StrCat("bytes that are not ", encoding,
                " were replaced by U+FFFD; convert the file to UTF-8 to keep them: ", count);
}

DecodedText DecodeUtf8Leniently(std::string_view bytes, size_t skip) {
  DecodedWriter writer(bytes.size());
  size_t replaced = 0;
  for (size_t i = skip; i < bytes.size();) {
    DecodedCharacter character = DecodeUtf8(bytes, i);
    if (character.code_point == 0) character = {kReplacementCharacter, 1, false};
    replaced += character.valid ? 0 : 1;
    writer.Write(character.code_point, i, i + character.size_bytes, character.valid);
    i += character.size_bytes;
  }
  DecodedText decoded = writer.Finish("UTF-8");
  if (replaced > 0) decoded.warnings.push_back(ReplacedWarning(replaced, "UTF-8"));
  return decoded;
}

DecodedText DecodeUtf16(std::string_view bytes, bool big_endian) {
  const char* const name = big_endian ? "UTF-16BE" : "UTF-16LE";
  auto unit = [&](size_t i) -> char32_t {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    return big_endian ? static_cast<char32_t>(first << 8 | second) : static_cast<char32_t>(second << 8 | first);
  };
  DecodedWriter writer(bytes.size());
  size_t replaced = 0;
  for (size_t i = 2; i < bytes.size();) {
    size_t end = std::min(i + 2, bytes.size());
    char32_t c = end - i == 2 ? unit(i) : 0;
    if (c >= 0xD800 && c <= 0xDBFF && i + 4 <= bytes.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) <= 0xDFFF) {
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      end = i + 4;
    } else if (c == 0 || (c >= 0xD800 && c <= 0xDFFF)) {
      c = kReplacementCharacter;
      ++replaced;
    }
    writer.Write(c, i, end, false);
    i = end;
  }
  DecodedText decoded = writer.Finish(name);
  if (replaced > 0) decoded.warnings.push_back(ReplacedWarning(replaced, name));
  return decoded;
}

// What windows-1252 has at 0x80 to 0x9F; 0: nothing.
constexpr std::array<char32_t, 32> kWindows1252 = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                                   0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

DecodedText DecodeWindows1252(std::string_view bytes) {
  DecodedWriter writer(bytes.size() + bytes.size() / 8);
  size_t replaced = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    char32_t c = static_cast<unsigned char>(bytes[i]);
    const bool same = c != 0 && c < 0x80;
    if (c >= 0x80 && c < 0xA0) c = kWindows1252[c - 0x80];
    if (c == 0) {
      c = kReplacementCharacter;
      ++replaced;
    }
    writer.Write(c, i, i + 1, same);
  }
  DecodedText decoded = writer.Finish("windows-1252");
  if (replaced > 0) decoded.warnings.push_back(ReplacedWarning(replaced, "windows-1252"));
  return decoded;
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

// By ICU, character by character; nullopt if it does not know `name` or more than 1 character in 200 is wrong.
std::optional<DecodedText> DecodeByIcu(std::string_view bytes, const std::string& name) {
  UErrorCode error = U_ZERO_ERROR;
  const Converter converter(ucnv_open(name.c_str(), &error));
  if (U_FAILURE(error)) return std::nullopt;
  ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &error);
  DecodedWriter writer(bytes.size() + bytes.size() / 2);
  size_t replaced = 0;
  const char* const begin = bytes.data();
  const char* const limit = begin + bytes.size();
  for (const char* source = begin; source < limit;) {
    const char* const start = source;
    const auto byte = static_cast<unsigned char>(*source);
    error = U_ZERO_ERROR;
    const UChar32 got = ucnv_getNextUChar(converter.get(), &source, limit, &error);
    if (error == U_INDEX_OUTOFBOUNDS_ERROR) break;
    char32_t c = static_cast<char32_t>(got);
    if (U_FAILURE(error) || c == 0) {
      ucnv_resetToUnicode(converter.get());
      if (source == start) ++source;
      c = kReplacementCharacter;
      if (++replaced > 64 && replaced * 200 > writer.characters()) return std::nullopt;
    }
    writer.Write(c, static_cast<uint64_t>(start - begin), static_cast<uint64_t>(source - begin),
                 source - start == 1 && c == byte && c < 0x80);
  }
  if (replaced * 200 > writer.characters()) return std::nullopt;
  DecodedText decoded = writer.Finish(name);
  if (replaced > 0) decoded.warnings.push_back(ReplacedWarning(replaced, name));
  return decoded;
}

// Whether most pairs of high bytes are punctuation or one of the 3,755 common characters of GB 2312. European text in
// one-byte encodings has few such pairs, because its accented letters stand alone.
bool LooksLikeChinese(std::string_view bytes) {
  size_t common = 0;
  size_t other = 0;
  for (size_t i = 0; i < bytes.size() && common + other < 100000;) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const auto trail = i + 1 < bytes.size() ? static_cast<unsigned char>(bytes[i + 1]) : 0u;
    const bool is_common =
        trail >= 0xA1 && trail != 0xFF && ((lead >= 0xB0 && lead <= 0xD7) || (lead >= 0xA1 && lead <= 0xA3));
    ++(is_common ? common : other);
    i += trail >= 0x40 ? 2 : 1;
  }
  return common > 0 && common >= other * 3;
}

struct Utf8Count {
  size_t valid = 0;  // Characters of two bytes and more.
  size_t invalid = 0;
};

Utf8Count CountUtf8(std::string_view bytes) {
  Utf8Count count;
  for (size_t i = 0; i < bytes.size();) {
    const DecodedCharacter character = DecodeUtf8(bytes, i);
    if (!character.valid) {
      ++count.invalid;
    } else if (character.size_bytes > 1) {
      ++count.valid;
    }
    i += character.size_bytes;
  }
  return count;
}

Status CheckText(std::string_view bytes) {
  constexpr std::string_view kRemedy = "give it the ending of its real type, or leave it out";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMagic = {{{"%PDF-", "a PDF file"},
                                                                                    {"PK\x03\x04", "a ZIP archive"},
                                                                                    {"\x89PNG", "a PNG image"},
                                                                                    {"\xFF\xD8\xFF", "a JPEG image"},
                                                                                    {"\x1F\x8B", "gzip data"},
                                                                                    {"\x7F"
                                                                                     "ELF",
                                                                                     "a program"},
                                                                                    {"GIF8", "a GIF image"}}};
  for (const auto& [magic, what] : kMagic) {
    if (bytes.starts_with(magic)) {
      return InvalidArgumentError(StrCat("the file looks binary: its first bytes are those of ", what),
                                  std::string(kRemedy));
    }
  }
  const std::string_view head = bytes.substr(0, kSniffBytes);
  if (const size_t nul = head.find('\0'); nul != std::string_view::npos) {
    return InvalidArgumentError(StrCat("the file looks binary: NUL bytes at offset ", nul), std::string(kRemedy));
  }
  const auto controls = static_cast<size_t>(std::count_if(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && !(byte >= 0x08 && byte <= 0x0D) && byte != 0x1B;
  }));
  if (controls * 10 > head.size()) {
    return InvalidArgumentError(
        StrCat("the file looks binary: control characters among its first ", head.size(), " bytes: ", controls),
        std::string(kRemedy));
  }
  return Status();
}

// What a declared name means in practice (WHATWG Encoding Standard, section 4.2); "": UTF-8.
std::string EncodingOf(std::string_view declared) {
  std::string name;
  for (const char c : declared) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name == "utf-8" || name == "utf8" || name == "unicode-1-1-utf-8" || name.starts_with("utf-16")) return "";
  if (name == "gb2312" || name == "gbk" || name == "gb18030" || name == "gb_2312-80" || name == "x-gbk")
    return "GB18030";
  if (name == "iso-8859-1" || name == "latin1" || name == "ascii" || name == "us-ascii" || name == "windows-1252" ||
      name == "cp1252") {
    return "windows-1252";
  }
  return name;
}

}  // namespace

Result<DecodedText> DecodeText(std::string_view bytes, std::string_view declared) {
  if (bytes.starts_with("\xFF\xFE")) return DecodeUtf16(bytes, /*big_endian=*/false);
  if (bytes.starts_with("\xFE\xFF")) return DecodeUtf16(bytes, /*big_endian=*/true);
  RAGTIME_RETURN_IF_ERROR(CheckText(bytes));
  const size_t skip = bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  const bool has_nul = bytes.find('\0') != std::string_view::npos;
  const std::string wanted = skip == 0 ? EncodingOf(declared) : "";
  const bool valid = FindInvalidUtf8(bytes) == std::string_view::npos;
  if (!wanted.empty() && wanted != "windows-1252") {
    // ISO-2022 and the like are valid UTF-8 to the eye; every other valid UTF-8 with high bytes is UTF-8, whatever is
    // declared.
    const bool high =
        std::any_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    if (!(valid && high)) {
      if (std::optional<DecodedText> decoded = DecodeByIcu(bytes, wanted)) return *std::move(decoded);
    }
  }
  if (valid && !has_nul) return Verbatim(bytes, skip);
  const Utf8Count count = CountUtf8(bytes);
  if (skip > 0 || valid || count.valid > count.invalid * 4) return DecodeUtf8Leniently(bytes, skip);
  if (wanted == "windows-1252") return DecodeWindows1252(bytes);
  if (LooksLikeChinese(bytes)) {
    if (std::optional<DecodedText> decoded = DecodeByIcu(bytes, "GB18030")) return *std::move(decoded);
  }
  if (count.valid > count.invalid) return DecodeUtf8Leniently(bytes, skip);
  DecodedText decoded = DecodeWindows1252(bytes);
  decoded.warnings.insert(
      decoded.warnings.begin(),
      "the encoding is not UTF-8 and was guessed as windows-1252; convert the file to UTF-8 to be sure");
  return decoded;
}

Document PlainDocument(DecodedText decoded) {
  Document document;
  document.encoding = std::move(decoded.encoding);
  document.warnings = std::move(decoded.warnings);
  if (decoded.text.find("\r\n") == std::string::npos) {
    document.text = std::move(decoded.text);
    document.runs = std::move(decoded.runs);
    return document;
  }
  RunBuilder runs;
  document.text.reserve(decoded.text.size());
  for (size_t i = 0; i < decoded.text.size();) {
    const size_t crlf = std::min(decoded.text.find("\r\n", i), decoded.text.size());
    if (crlf > i) {
      runs.AddVerbatim(document.text.size(), i);
      document.text.append(decoded.text, i, crlf - i);
    }
    i = crlf;
    if (i < decoded.text.size()) {
      runs.AddVerbatim(document.text.size(), i + 1);
      document.text += '\n';
      i += 2;
    }
  }
  document.runs = ComposeRuns(runs.Finish(document.text.size()), document.text.size(), decoded.runs);
  return document;
}

}  // namespace ragtime
