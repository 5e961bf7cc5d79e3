// SPDX-License-Identifier: Apache-2.0
//
// Goal: readers find the text and headings of their formats, and every byte of the text leads back to its source.
// Method: small documents with known results; generated and mutated ones against rules that hold for all. Gumbo, an
// independent HTML parser, says what text a page or a range of one holds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <gumbo.h>

#include <random>

#include "base/stopwatch.h"
#include "ingest/read/encoding.h"
#include "ingest/read/heading_title.h"
#include "ingest/read/html_entities.h"
#include "ingest/read/html_reader.h"
#include "ingest/read/markdown_reader.h"
#include "ingest/read/readers.h"
#include "ingest/read/text_reader.h"
#include "text/sentences.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "数据库备份说明。请先停止服务，再复制文件！PostgreSQL 15 的备份很简单。" in GB18030.
constexpr std::string_view kGb18030 =
    "\xca\xfd\xbe\xdd\xbf\xe2\xb1\xb8\xb7\xdd\xcb\xb5\xc3\xf7\xa1\xa3\xc7\xeb\xcf\xc8\xcd\xa3\xd6\xb9\xb7\xfe\xce\xf1"
    "\xa3\xac\xd4\xd9\xb8\xb4\xd6\xc6\xce\xc4\xbc\xfe\xa3\xa1\x50\x6f\x73\x74\x67\x72\x65\x53\x51\x4c\x20\x31\x35\x20"
    "\xb5\xc4\xb1\xb8\xb7\xdd\xba\xdc\xbc\xf2\xb5\xa5\xa1\xa3";

// Runs cover the text in order, stay inside of the source, and verbatim ones are what they say.
void CheckRuns(std::string_view bytes, const Document& document, bool ascii_only = false) {
  ASSERT_EQ(FindInvalidUtf8(document.text), std::string::npos);
  ASSERT_EQ(document.text.find('\0'), std::string::npos);
  ASSERT_EQ(document.runs.empty(), document.text.empty());
  if (document.runs.empty()) return;
  ASSERT_EQ(document.runs[0].text_start, 0u);
  for (size_t i = 0; i < document.runs.size(); ++i) {
    const TextRun& run = document.runs[i];
    const uint64_t end = i + 1 < document.runs.size() ? document.runs[i + 1].text_start : document.text.size();
    ASSERT_LT(run.text_start, end);
    ASSERT_LE(run.source_start, run.source_end);
    ASSERT_LE(run.source_end, bytes.size());
    if (i > 0) {
      ASSERT_LE(document.runs[i - 1].source_end, run.source_start);
    }
    if (!run.verbatim) continue;
    ASSERT_EQ(run.source_end - run.source_start, end - run.text_start);
    const std::string_view text = std::string_view(document.text).substr(run.text_start, end - run.text_start);
    ASSERT_EQ(bytes.substr(run.source_start, text.size()), text);
    if (ascii_only) {
      ASSERT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) > 0; }));
    }
  }
  for (size_t i = 0; i < document.headings.size(); ++i) {
    ASSERT_LT(document.headings[i].text_start, document.text.size());
    ASSERT_FALSE(document.headings[i].title.empty());
    ASSERT_LE(document.headings[i].title.size(), 256u);
    if (i > 0) {
      ASSERT_LE(document.headings[i - 1].text_start, document.headings[i].text_start);
    }
  }
}

template <typename ReaderType>
Document Read(std::string_view bytes) {
  auto document = ReaderType().Read(bytes);
  EXPECT_TRUE(document.ok()) << document.status().ToString();
  if (!document.ok()) return {};
  CheckRuns(bytes, *document);
  return *document;
}

std::vector<std::string> Headings(const Document& document) {
  std::vector<std::string> headings;
  for (const Heading& heading : document.headings)
    headings.push_back(std::to_string(heading.level) + " " + heading.title);
  return headings;
}

std::string SourceOf(std::string_view bytes, const Document& document, std::string_view part) {
  const size_t at = document.text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  const std::optional<Span> span = document.SourceSpan(at, at + part.size());
  return span ? std::string(bytes.substr(span->start, span->end - span->start)) : "";
}

// --- Plain text and encodings

TEST(TextReader, TakesUtf8Verbatim) {
  const std::string bytes = "One.\n\n第二段。 \xF0\x9F\x8E\xB5\ttab\r";
  const Document document = Read<TextReader>(bytes);
  EXPECT_EQ(document.text, bytes);
  EXPECT_EQ(document.encoding, "UTF-8");
  EXPECT_EQ(document.runs.size(), 1u);
  EXPECT_THAT(document.warnings, IsEmpty());
  EXPECT_TRUE(Read<TextReader>("").text.empty());
}

TEST(TextReader, DropsByteOrderMarkAndCarriageReturns) {
  const std::string bytes = "\xEF\xBB\xBFone\r\ntwo\r\n\r\nthree";
  const Document document = Read<TextReader>(bytes);
  EXPECT_EQ(document.text, "one\ntwo\n\nthree");
  EXPECT_EQ(SourceOf(bytes, document, "two"), "two");
  EXPECT_EQ(SourceOf(bytes, document, "three"), "three");
  EXPECT_EQ(SourceOf(bytes, document, "two\n\nthree"), "two\r\n\r\nthree");
}

TEST(TextReader, ReadsGb18030WithSpansOfItsOwnBytes) {
  const std::string bytes = std::string(kGb18030) + "\r\n" + std::string(kGb18030);
  const Document document = Read<TextReader>(bytes);
  EXPECT_EQ(document.encoding, "GB18030");
  EXPECT_EQ(document.text.substr(0, 24), "数据库备份说明。");
  EXPECT_THAT(document.warnings, IsEmpty());
  // Each sentence's span, decoded again, is the sentence.
  for (const Span& sentence : SplitSentences(document.text)) {
    const std::string text = document.text.substr(sentence.start, sentence.end - sentence.start);
    const std::optional<Span> span = document.SourceSpan(sentence.start, sentence.end);
    ASSERT_TRUE(span.has_value());
    auto again = DecodeText(std::string_view(bytes).substr(span->start, span->end - span->start), "gbk");
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(PlainDocument(*again).text, text);
  }
  EXPECT_EQ(SourceOf(bytes, document, "PostgreSQL 15 "), "PostgreSQL 15 ");
}

TEST(TextReader, ReadsUtf16) {
  const std::u16string text = u"Backup 备份。Two \U0001F3B5\nend";
  for (const bool big_endian : {false, true}) {
    std::string bytes = big_endian ? "\xFE\xFF" : "\xFF\xFE";
    for (const char16_t unit : text) {
      const char high = static_cast<char>(unit >> 8);
      const char low = static_cast<char>(unit & 0xFF);
      bytes += big_endian ? high : low;
      bytes += big_endian ? low : high;
    }
    const Document document = Read<TextReader>(bytes);
    EXPECT_EQ(document.text, "Backup 备份。Two \U0001F3B5\nend");
    EXPECT_EQ(document.encoding, big_endian ? "UTF-16BE" : "UTF-16LE");
    EXPECT_EQ(SourceOf(bytes, document, "备份").size(), 4u);
    EXPECT_EQ(SourceOf(bytes, document, "Two"), SourceOf(bytes, document, "Two ").substr(0, 6));
    // A lone surrogate and an odd byte at the end are replaced.
    const Document broken = Read<TextReader>(bytes + std::string(big_endian ? "\xD8\0 " : "\0\xD8 ", 3));
    EXPECT_FALSE(broken.warnings.empty());
  }
}

TEST(TextReader, FallsBackWithAWarning) {
  const Document latin = Read<TextReader>(
      "L'\xe9t\xe9 \xe0 la fran\xe7"
      "aise co\xfbte 5 \x80, voil\xe0.");
  EXPECT_EQ(latin.text, "L'été à la française coûte 5 €, voilà.");
  EXPECT_EQ(latin.encoding, "windows-1252");
  ASSERT_EQ(latin.warnings.size(), 1u);
  EXPECT_THAT(latin.warnings[0], HasSubstr("convert"));

  const Document damaged = Read<TextReader>("中文文本，数据库\xff备份和恢复。");
  EXPECT_EQ(damaged.text, "中文文本，数据库\uFFFD备份和恢复。");
  EXPECT_EQ(damaged.encoding, "UTF-8");
  EXPECT_EQ(damaged.warnings.size(), 1u);
}

TEST(TextReader, RefusesBinaryFiles) {
  for (const std::string_view bytes : {std::string_view("text\0more", 9), std::string_view("%PDF-1.7 ..."),
                                       std::string_view("PK\x03\x04zip"), std::string_view("\x01\x02\x03\x04\x05")}) {
    const auto document = TextReader().Read(bytes);
    ASSERT_FALSE(document.ok());
    EXPECT_EQ(document.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(document.status().message(), HasSubstr("looks binary"));
    EXPECT_FALSE(document.status().remedy().empty());
  }
  EXPECT_THAT(TextReader().Read(std::string_view("text\0more", 9)).status().message(),
              HasSubstr("NUL bytes at offset 4"));
}

// --- Markdown

TEST(MarkdownReader, FindsHeadingsOutsideOfCode) {
  const std::string bytes =
      "---\ntitle: x\n---\n# One #\n\ntext **bold**\n\n```sh\n# no heading\n```\n\n    # code\n\n## Two "
      "[link](http://a) `c`\n"
      "Setext\n======\n\n- item\n---\n\nLower\n---\n#no heading\n\n| a | b |\n|---|---|\n\n~~~\n# open to the end\n";
  const Document document = Read<MarkdownReader>(bytes);
  EXPECT_THAT(Headings(document), ElementsAre("1 One", "2 Two link c", "1 Setext", "2 Lower"));
  EXPECT_TRUE(document.text.starts_with("# One #"));
  EXPECT_EQ(bytes.substr(bytes.size() - document.text.size()), document.text);
  EXPECT_TRUE(document.text.substr(document.headings[2].text_start).starts_with("Setext\n"));
}

TEST(MarkdownReader, KeepsWhatIsNoFrontMatter) {
  EXPECT_EQ(Read<MarkdownReader>("---\n\nA rule\n\n---\ntext").text, "---\n\nA rule\n\n---\ntext");
  EXPECT_EQ(Read<MarkdownReader>("---\ntitle: never closed\n").text, "---\ntitle: never closed\n");
  EXPECT_EQ(Read<MarkdownReader>("---\ntitle: never closed\n").front_matter, "");
  EXPECT_EQ(Read<MarkdownReader>("---\r\na: 备份\r\n---\r\ntext\r\n").front_matter, "---\na: 备份\n");
  EXPECT_EQ(Read<MarkdownReader>("---\na: b\n...\n").front_matter, "---\na: b\n");
  EXPECT_EQ(Read<MarkdownReader>("---\r\na: b\r\n---\r\ntext\r\n").text, "text\n");
}

TEST(HeadingTitle, IsShortAndPlain) {
  EXPECT_EQ(HeadingTitle("  a \n b\xC2\xA0 c "), "a b c");
  EXPECT_EQ(MarkdownTitle("**A** `b` [c](d) \\* {#id}"), "A b c *");
  EXPECT_LE(HeadingTitle(std::string(100000, 'x')).size(), 256u);
  EXPECT_LE(MarkdownTitle(std::string(100000, '[')).size(), 256u);
}

// --- HTML

TEST(HtmlReader, WritesBlocksListsAndTables) {
  const Document document = Read<HtmlReader>(
      "<title>T</title><h1>Head <em>ing</em></h1><p>One\n  "
      "<b>two</b>&amp;three&nbsp;&#x4e2d;</p><ul><li>a<li><p>b</p><ol><li>c</li></ol></ul>"
      "<table><tr><th>k</th><th>v</th></tr><tr><td><p>1</p></td><td>2<br>3</td></tr></table><pre>\n  x  y\n "
      "z</pre>last<br/>line<br><br>end");
  EXPECT_EQ(document.text,
            "Head ing\n\nOne two&three 中\n\n- a\n- b\n  1. c\n\nk | v\n1 | 2\n3\n\n  x  y\n z\n\nlast\nline\n\nend");
  EXPECT_THAT(Headings(document), ElementsAre("1 T", "2 Head ing"));
}

TEST(HtmlReader, LeavesOutScriptsAndNavigation) {
  const Document document = Read<HtmlReader>(
      "<body><nav>N1</nav><div class='navheader x'>N2 <div>N3</div></div><div role=navigation>N4</div><script>if (a<b) "
      "{}</script>"
      "<style>p{}</style><h2>Text<a class=\"headerlink\" href='#'>N5</a></h2><p hidden>N6</p>body<!-- no "
      "--><footer>N7</footer></body>");
  EXPECT_EQ(document.text, "Text\n\nbody");
}

TEST(HtmlReader, KeepsThePageWhenNavigationIsAllItHas) {
  EXPECT_EQ(Read<HtmlReader>("<h1>Index</h1><div class=toc><ul><li><a>One</a></li></ul></div>").text, "Index\n\n- One");
}

TEST(HtmlReader, UsesTheTitleOnceAndLeavesBoxesOut) {
  EXPECT_THAT(
      Headings(Read<HtmlReader>(
          "<title>2.1.&#160;Backup</title><h2>2.1. Backup</h2><h3>Sub</h3><div class=note><h3>Note</h3>n</div>")),
      ElementsAre("1 2.1. Backup", "4 Sub"));
  EXPECT_THAT(Headings(Read<HtmlReader>("<h2>A</h2>x")), ElementsAre("2 A"));
}

TEST(HtmlReader, JoinsChineseLinesWithoutSpace) {
  EXPECT_EQ(Read<HtmlReader>("<p>数据库\n  备份，\n很 简单。\nand more</p>").text, "数据库备份，很 简单。 and more");
}

TEST(HtmlReader, PutsTermsAboveTheirDefinitions) {
  EXPECT_EQ(
      Read<HtmlReader>("<dl><dt>-a</dt><dt>--all</dt><dd><p>All.</p><p>More.</p></dd><dt>-b<dd>B.</dl>after").text,
      "-a\n\n--all\nAll.\n\nMore.\n\n-b\nB.\n\nafter");
}

TEST(HtmlReader, ReadsTheDeclaredEncoding) {
  const std::string bytes =
      "<html><head><meta charset=gb2312><title>x</title></head><p>" + std::string(kGb18030) + "</p>";
  const Document document = Read<HtmlReader>(bytes);
  EXPECT_EQ(document.encoding, "GB18030");
  EXPECT_THAT(document.text, HasSubstr("备份很简单。"));
  EXPECT_EQ(SourceOf(bytes, document, "。请先停止服务，"), std::string(kGb18030.substr(14, 16)));
}

TEST(HtmlReader, TellsWhereDecodedTextCameFrom) {
  const std::string bytes = "<p>a &lt;b&gt; c</p>\n<ul>\n<li>item</li></ul>";
  const Document document = Read<HtmlReader>(bytes);
  EXPECT_EQ(SourceOf(bytes, document, "<b>"), "&lt;b&gt;");
  EXPECT_EQ(SourceOf(bytes, document, "- item"), "<li>item");
  EXPECT_EQ(SourceOf(bytes, document, "c"), "c");
}

TEST(HtmlReader, LosesNoTextToBrokenMarkup) {
  EXPECT_EQ(Read<HtmlReader>("a < b and <p>c</p> <a href=\"never closed> d").text,
            "a < b and\n\nc\n\n<a href=\"never closed> d");
  EXPECT_EQ(Read<HtmlReader>("<title>open <p>text").text, "open\n\ntext");
  EXPECT_EQ(Read<HtmlReader>("<h1>open <p>one</p><p>two</p>").text, "open\n\none\n\ntwo");
  EXPECT_EQ(Read<HtmlReader>("<div class=toc>x</span></div>y</div></div><p>z").text, "y\n\nz");
}

std::string GumboText(const GumboNode* root, bool keep_spaces) {
  std::string text;
  std::vector<const GumboNode*> stack = {root};
  while (!stack.empty()) {
    const GumboNode* node = stack.back();
    stack.pop_back();
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE) {
      text += node->v.text.text;
    } else if (node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE) {
      const GumboTag tag = node->v.element.tag;
      if (tag == GUMBO_TAG_SCRIPT || tag == GUMBO_TAG_STYLE || tag == GUMBO_TAG_TITLE) continue;
      for (unsigned i = node->v.element.children.length; i > 0; --i) {
        stack.push_back(static_cast<const GumboNode*>(node->v.element.children.data[i - 1]));
      }
    }
  }
  if (keep_spaces) return text;
  std::string squeezed;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (!IsSpace(character.code_point)) squeezed.append(text, i, character.size_bytes);
    i += character.size_bytes;
  }
  return squeezed;
}

std::string GumboText(std::string_view html) {
  GumboOutput* const output = gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size());
  std::string text = GumboText(output->root, /*keep_spaces=*/false);
  gumbo_destroy_output(&kGumboDefaultOptions, output);
  return text;
}

// The text without white space and without what the reader puts in: bullets, numbers and cell borders. Generated
// documents have no digits, hyphens and bars of their own.
std::string Ink(std::string_view text) {
  std::string ink;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    const char32_t c = character.code_point;
    if (!IsSpace(c) && c != '-' && c != '|' && c != '.' && !(c >= '0' && c <= '9'))
      ink.append(text, i, character.size_bytes);
    i += character.size_bytes;
  }
  return ink;
}

class HtmlGenerator {
 public:
  explicit HtmlGenerator(uint32_t seed) : random_(seed) {}
  std::string Page() {
    std::string page = "<!DOCTYPE html><html><head><title>" + Words() + "</title></head><body>";
    for (size_t i = 1 + random_() % 6; i > 0; --i) page += Block(0);
    return page + "</body></html>";
  }

 private:
  std::string Words() {
    static const std::vector<std::string> words = {
        "alpha",    "备份", "数据",   "&amp;",       "&lt;tag&gt;", "&nbsp;",
        "&eacute;", "\n",   " ",      "<b>bold</b>", "<!-- c -->",  "<a href='x>y'>link</a>",
        "&#x4E2D;", "é",    "&notin", "&unknown;",   "<br>",        "<script>var a = '<p>';</script>"};
    std::string text;
    for (size_t i = 1 + random_() % 6; i > 0; --i) text += words[random_() % words.size()];
    return text;
  }
  std::string Block(int depth) {
    const size_t kind = random_() % (depth > 3 ? 4 : 9);
    auto wrap = [](const std::string& tag, const std::string& content) {
      return "<" + tag + ">" + content + "</" + tag + ">";
    };
    switch (kind) {
      case 0:
        return wrap("p", Words());
      case 1:
        return wrap("h" + std::string(1, static_cast<char>('1' + random_() % 6)), Words());
      case 2:
        return Words();
      case 3:
        return wrap("pre", Words());
      case 4:
        return wrap("div", Block(depth + 1) + Block(depth + 1));
      case 5:
        return wrap("ul", wrap("li", Block(depth + 1)) + "\n" + wrap("li", Words()));
      case 6:
        return wrap("ol", "<li>" + Words() + "<li>" + Words());
      case 7:
        return wrap("table", wrap("tr", wrap("td", Block(depth + 1)) + wrap("td", Words())) + "<tr><td>" + Words());
      default:
        return wrap("dl", wrap("dt", Words()) + wrap("dd", Block(depth + 1)));
    }
  }
  std::mt19937 random_;
};

TEST(HtmlReader, HasTheTextThatGumboFinds) {
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    const std::string page = HtmlGenerator(seed).Page();
    const Document document = Read<HtmlReader>(page);
    ASSERT_EQ(Ink(document.text), Ink(GumboText(page))) << page;
  }
}

// The source range of any piece of text, markup removed, holds that piece.
TEST(HtmlReader, PointsToRangesThatHoldTheText) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    const std::string page = HtmlGenerator(seed).Page();
    const Document document = Read<HtmlReader>(page);
    for (const Span& sentence : SplitSentences(document.text)) {
      const std::string text = document.text.substr(sentence.start, sentence.end - sentence.start);
      if (Ink(text).empty()) continue;
      const size_t lead = text.find_first_not_of(" \n");
      const size_t last = text.find_last_not_of(" \n");
      const std::optional<Span> span = document.SourceSpan(sentence.start + lead, sentence.start + last + 1);
      ASSERT_TRUE(span.has_value());
      const std::string range = page.substr(span->start, span->end - span->start);
      ASSERT_EQ(Ink(text), Ink(GumboText("<body>" + range))) << range;
    }
  }
}

TEST(DecodeEntity, AgreesWithGumbo) {
  for (const std::string_view reference : {"&amp;",
                                           "&amp",
                                           "&lt",
                                           "&AMP;",
                                           "&notit;",
                                           "&notin;",
                                           "&NotEqualTilde;",
                                           "&#65;",
                                           "&#x41",
                                           "&#0;",
                                           "&#128;",
                                           "&#xD800;",
                                           "&#x110000;",
                                           "&#99999999999;",
                                           "&bogus;",
                                           "&;",
                                           "&#;",
                                           "&#x;",
                                           "&CounterClockwiseContourIntegral;",
                                           "&eacute",
                                           "&fjlig;"}) {
    const std::string page = "<body><pre>" + std::string(reference) + "</pre>";
    GumboOutput* const output = gumbo_parse_with_options(&kGumboDefaultOptions, page.data(), page.size());
    const std::string expected = GumboText(output->root, /*keep_spaces=*/true);
    gumbo_destroy_output(&kGumboDefaultOptions, output);
    const Entity entity = DecodeEntity(reference, 0);
    EXPECT_EQ(entity.text + std::string(reference.substr(entity.size_bytes)), expected) << reference;
  }
}

// --- All readers

TEST(Readers, RefuseWhatAlternatesTooOften) {
  std::string page;
  while (page.size() < (size_t{5} << 20) * 4) page += "a<p>";
  const auto document = HtmlReader().Read(page);
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(document.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(document.status().remedy(), HasSubstr("split"));
}

TEST(Readers, SurviveMutatedBytes) {
  const std::vector<std::string> seeds = {
      HtmlGenerator(1).Page() + HtmlGenerator(2).Page(),
      "<html><meta charset=gbk><p>" + std::string(kGb18030) + "</table></p><li>x",
      "---\na: b\n---\n# T\n\n```\nx\n```\nA\n===\n\xEF\xBB\xBF\r\n" + std::string(kGb18030),
      "\xFF\xFE" + std::string("a\0b\0\x2d\x4e", 6)};
  std::mt19937 random(5);
  const auto readers = BuiltinReaders();
  for (int round = 0; round < 6000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (size_t i = random() % 12; i > 0; --i) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 9);
          break;
        case 2:
          bytes.insert(at, std::string_view("<>&;\"'/!-\r\n#`\x80\xff=").substr(random() % 16, 2));
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40));
          break;
      }
      if (bytes.empty()) bytes.push_back('x');
    }
    for (const auto& reader : readers) {
      const auto document = reader->Read(bytes);
      if (document.ok()) CheckRuns(bytes, *document);
      if (HasFatalFailure()) FAIL() << reader->type() << " " << testing::PrintToString(bytes);
    }
  }
}

TEST(Readers, TakeTimeInProportionToTheBytes) {
  // Each would take minutes, or overflow the stack, if some tag were looked for again and again or nesting were
  // recursion.
  for (const std::string piece :
       {"<div>",        "<div></p>", "<ul><li>", "</div>", "<p>",   "<table><tr><td>", "<title>",
        "<script>",     "<!--",      "<",        "&",      "&lt",   "<a b=\"",         "<b><i>x",
        "<h1>",         "<li>",      "</li>",    "<td>",   "<nav>", "<dl><dd>",        "#\n",
        "a\n=\n",       "```\n",     "[",        "\r\n",   "---\n", "<x y='z'>",       "<span class='toc'>",
        "<textarea></", "<!",        "\xca\xfd", "\xe9",   "<br>"}) {
    std::string bytes;
    while (bytes.size() < (1 << 19)) bytes += piece;
    for (const auto& reader : BuiltinReaders()) {
      Stopwatch stopwatch;
      const auto document = reader->Read(bytes);
      EXPECT_LT(stopwatch.ElapsedMs(), 3000) << reader->type() << " " << piece;
      if (document.ok()) CheckRuns(bytes, *document);
    }
  }
  // Deep nesting is remembered to a limit, but its text is all there.
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<div>";
  EXPECT_EQ(Read<HtmlReader>(deep + "inside</div>after").text, "inside\n\nafter");
}

}  // namespace
}  // namespace ragtime
