// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/html_reader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/str_cat.h"
#include "ingest/read/encoding.h"
#include "ingest/read/heading_title.h"
#include "ingest/read/html_text_builder.h"
#include "ingest/read/html_tokenizer.h"
#include "ingest/read/run_builder.h"

namespace ragtime {
namespace {

// Deeper elements still give their text; only what they are inside of is not known any more.
constexpr size_t kDepthMax = 10000;
// How far up an end tag looks for its element past the border of a table cell or list: bounds the work of each tag.
constexpr size_t kSearchDepth = 256;
// Where a page declares its encoding, if it does. Browsers look at 1,024 bytes.
constexpr size_t kDeclarationBytes = 4096;

enum class Role : uint8_t {
  kInline,
  kBlock,
  kLine,  // Starts and ends a line.
  kHeading,
  kList,
  kItem,   // li
  kTerms,  // dl
  kTerm,   // dt, dd
  kTable,
  kRow,
  kCell,
  kPre,
  kVoid,     // Has no end tag.
  kRaw,      // Its content is no markup and never text of the page.
  kSkipped,  // Never text of the page.
  kAside,    // Skipped unless nothing else is there.
  kMargin,   // header and footer: part of the page's frame or of its text.
  kMain,
};

struct Element {
  size_t id = 0;
  Role role = Role::kInline;
  bool skips = false;
  bool ordered = false;
  bool paragraph = false;
  bool box = false;
  uint32_t items = 0;
};

const std::unordered_map<std::string_view, Role>& Roles() {
  using enum Role;
  static const auto* const roles = new std::unordered_map<std::string_view, Role>{
      {"address", kBlock},   {"article", kMain},  {"aside", kBlock},    {"blockquote", kBlock}, {"body", kBlock},
      {"center", kBlock},    {"details", kBlock}, {"dialog", kBlock},   {"dir", kList},         {"div", kBlock},
      {"fieldset", kBlock},  {"figure", kBlock},  {"form", kBlock},     {"hgroup", kBlock},     {"main", kMain},
      {"menu", kList},       {"p", kBlock},       {"section", kBlock},  {"dl", kTerms},         {"ul", kList},
      {"ol", kList},         {"li", kItem},       {"dt", kTerm},        {"dd", kTerm},          {"caption", kLine},
      {"figcaption", kLine}, {"legend", kLine},   {"summary", kLine},   {"table", kTable},      {"tr", kRow},
      {"td", kCell},         {"th", kCell},       {"pre", kPre},        {"listing", kPre},      {"h1", kHeading},
      {"h2", kHeading},      {"h3", kHeading},    {"h4", kHeading},     {"h5", kHeading},       {"h6", kHeading},
      {"area", kVoid},       {"base", kVoid},     {"br", kVoid},        {"col", kVoid},         {"embed", kVoid},
      {"frame", kVoid},      {"hr", kVoid},       {"img", kVoid},       {"input", kVoid},       {"link", kVoid},
      {"meta", kVoid},       {"param", kVoid},    {"source", kVoid},    {"track", kVoid},       {"wbr", kVoid},
      {"script", kRaw},      {"style", kRaw},     {"xmp", kRaw},        {"iframe", kRaw},       {"noembed", kRaw},
      {"noframes", kRaw},    {"textarea", kRaw},  {"title", kRaw},      {"template", kSkipped}, {"rt", kSkipped},
      {"rp", kSkipped},      {"nav", kAside},     {"noscript", kAside}, {"svg", kAside},        {"select", kAside},
      {"datalist", kAside},  {"button", kAside},  {"header", kMargin},  {"footer", kMargin}};
  return *roles;
}

// Attribute values that mark what is not the page's own text: WAI-ARIA roles, and classes of DocBook's and Sphinx's
// output and of Bootstrap.
constexpr std::array<std::string_view, 5> kAsideRoles = {"navigation", "search", "banner", "contentinfo", "doc-toc"};
constexpr std::array<std::string_view, 11> kAsideClasses = {
    "navheader",        "navfooter", "headerlink",    "toc",        "list-of-tables", "list-of-figures",
    "list-of-examples", "navbar",    "sphinxsidebar", "breadcrumb", "breadcrumbs"};

template <size_t n>
bool AnyWordIn(std::string_view words, const std::array<std::string_view, n>& set) {
  for (size_t i = 0; i < words.size();) {
    i = words.find_first_not_of(" \t\r\n\f", i);
    if (i == std::string_view::npos) return false;
    const size_t end = std::min(words.find_first_of(" \t\r\n\f", i), words.size());
    const std::string_view word = words.substr(i, end - i);
    if (std::any_of(set.begin(), set.end(), [&](std::string_view s) { return EqualsIgnoringCase(word, s); }))
      return true;
    i = end;
  }
  return false;
}

// DocBook's and Sphinx's boxes, whose title "Note" heads no section.
constexpr std::array<std::string_view, 8> kBoxClasses = {"note",      "tip",        "warning", "caution",
                                                         "important", "admonition", "danger",  "sidebar"};

struct Marks {
  bool aside = false;
  bool box = false;
};

Marks FindMarks(std::string_view attributes) {
  Marks marks;
  ForEachAttribute(attributes, [&](std::string_view name, std::string_view value) {
    if (EqualsIgnoringCase(name, "class")) {
      marks.aside = marks.aside || AnyWordIn(value, kAsideClasses);
      marks.box = marks.box || AnyWordIn(value, kBoxClasses);
    } else if (EqualsIgnoringCase(name, "role")) {
      marks.aside = marks.aside || AnyWordIn(value, kAsideRoles);
    } else if (EqualsIgnoringCase(name, "hidden") ||
               (EqualsIgnoringCase(name, "aria-hidden") && EqualsIgnoringCase(value, "true"))) {
      marks.aside = true;
    }
  });
  return marks;
}

bool IsEndedBy(Role role, Role barrier) {
  // The end tag of an element inside of a cell, list or table cannot end what is around it.
  if (role == Role::kTable) return true;
  if (barrier == Role::kTable) return false;
  if (barrier == Role::kCell) return role == Role::kRow || role == Role::kMain;
  return true;
}

// Walks over the tags of one page and writes its text.
class PageWalk {
 public:
  PageWalk(std::string_view source, bool keep_asides, bool has_main)
      : source_(source), keep_asides_(keep_asides), has_main_(has_main), builder_(source) {}

  void Run() {
    HtmlTokenizer tokenizer(source_);
    for (;;) {
      const HtmlToken token = tokenizer.Next();
      switch (token.kind) {
        case HtmlToken::Kind::kEnd:
          return;
        case HtmlToken::Kind::kText:
          if (skipped_ == 0) builder_.Text(token.start, token.end, preformatted_ > 0);
          break;
        case HtmlToken::Kind::kStartTag:
          Start(token);
          break;
        case HtmlToken::Kind::kEndTag:
          End(token);
          break;
      }
    }
  }

  HtmlTextBuilder& builder() { return builder_; }
  std::string_view title() const { return title_; }

 private:
  void Start(const HtmlToken& token) {
    const auto found = Roles().find(token.name);
    const Role role = found == Roles().end() ? Role::kInline : found->second;
    if (token.name == "title" && title_.empty()) title_ = token.content;
    if (role == Role::kVoid) {
      StartVoid(token.name);
      return;
    }
    if (role == Role::kRaw) return;  // The token holds its content and end tag.
    CloseImplied(role);
    Element element;
    element.id = IdOf(token.name);
    element.role = role;
    element.ordered = token.name == "ol";
    element.paragraph = token.name == "p";
    const Marks marks = FindMarks(token.attributes);
    element.skips = Skips(role, token, marks.aside);
    element.box = marks.box && role == Role::kBlock;
    if (token.self_closing && role == Role::kInline) return;
    // Inline elements change nothing, unless their end tells where something skipped ends.
    if (role == Role::kInline && !element.skips && skipped_ == 0) return;
    Push(element, token);
  }

  void StartVoid(std::string_view name) {
    if (skipped_ > 0) return;
    if (name == "br") builder_.ForcedLine();
    if (name == "hr") builder_.Break(BlockBreak());
  }

  bool Skips(Role role, const HtmlToken& token, bool is_marked) const {
    if (role == Role::kSkipped) return true;
    if (keep_asides_ || token.name == "body" || token.name == "html" || role == Role::kMain) return false;
    if (role == Role::kAside) return true;
    if (role == Role::kMargin && main_ == 0 && (has_main_ || token.name == "footer")) return true;
    return is_marked;
  }

  // A new item, row, cell or paragraph ends the open one of its kind.
  void CloseImplied(Role role) {
    if (role == Role::kInline) return;
    if (!stack_.empty() && stack_.back().paragraph) Pop();
    if (role != Role::kItem && role != Role::kRow && role != Role::kCell && role != Role::kTerm) return;
    size_t depth = 0;
    for (size_t i = stack_.size(); i > 0 && depth < kSearchDepth; --i, ++depth) {
      const Role open = stack_[i - 1].role;
      if (open == role) {
        while (stack_.size() >= i) Pop();
        return;
      }
      if (open == Role::kList || open == Role::kTerms || open == Role::kTable) return;
      if (open == Role::kRow && role == Role::kCell) return;
      if (open == Role::kCell && role != Role::kRow) return;
    }
  }

  void Push(const Element& element, const HtmlToken& token) {
    if (stack_.size() >= kDepthMax) {
      ++overflow_;
      if (skipped_ == 0) builder_.Break(BlockBreak());
      return;
    }
    if (skipped_ == 0 && !element.skips) StartBlock(element.role, token);
    stack_.push_back(element);
    ++open_[element.id];
    skipped_ += element.skips ? 1 : 0;
    boxes_ += element.box ? 1 : 0;
    switch (element.role) {
      case Role::kList:
        ++lists_;
        break;
      case Role::kItem:
        ++items_;
        break;
      case Role::kCell:
        ++cells_;
        break;
      case Role::kPre:
        ++preformatted_;
        break;
      case Role::kMain:
        ++main_;
        break;
      default:
        break;
    }
  }

  void StartBlock(Role role, const HtmlToken& token) {
    switch (role) {
      case Role::kHeading:
        if (boxes_ > 0) {
          builder_.Break(BlockBreak());
        } else {
          builder_.StartHeading(token.name[1] - '0');
        }
        break;
      case Role::kLine:
        builder_.Break(HtmlBreak::kLine);
        break;
      case Role::kRow:
        builder_.Row();
        break;
      case Role::kCell:
        builder_.Cell();
        break;
      case Role::kItem:
        builder_.Item(Bullet(), token.start);
        break;
      case Role::kPre:
        builder_.Break(BlockBreak());
        builder_.DropNextNewline();
        break;
      case Role::kTerm:
        if (token.name == "dd") {
          builder_.Definition();
        } else {
          builder_.Break(BlockBreak());
        }
        break;
      case Role::kInline:
        break;
      default:
        builder_.Break(BlockBreak());
        break;
    }
  }

  // The start of an item's line: indented by two spaces for each list around its own, and numbered if that is ordered.
  std::string Bullet() {
    std::string bullet(2 * std::min<size_t>(lists_ > 0 ? lists_ - 1 : 0, 8), ' ');
    if (!stack_.empty() && stack_.back().ordered) return bullet + StrCat(++stack_.back().items, ". ");
    return bullet + "- ";
  }

  void End(const HtmlToken& token) {
    const auto found = Roles().find(token.name);
    const Role role = found == Roles().end() ? Role::kInline : found->second;
    if (token.name == "br" && skipped_ == 0) builder_.ForcedLine();
    const size_t id = IdOf(token.name);
    if (!open_.contains(id)) {
      if (token.name == "p" && skipped_ == 0) builder_.Break(BlockBreak());
      return;
    }
    if (overflow_ > 0) {
      --overflow_;
      if (skipped_ == 0) builder_.Break(BlockBreak());
      return;
    }
    size_t depth = 0;
    for (size_t i = stack_.size(); i > 0 && depth < kSearchDepth; --i, ++depth) {
      if (stack_[i - 1].id == id) {
        while (stack_.size() >= i) Pop();
        return;
      }
      if (!IsEndedBy(role, stack_[i - 1].role)) return;
    }
  }

  void Pop() {
    const Element element = stack_.back();
    stack_.pop_back();
    if (const auto open = open_.find(element.id); --open->second == 0) open_.erase(open);
    skipped_ -= element.skips ? 1 : 0;
    boxes_ -= element.box ? 1 : 0;
    switch (element.role) {
      case Role::kList:
        --lists_;
        break;
      case Role::kItem:
        --items_;
        break;
      case Role::kCell:
        --cells_;
        break;
      case Role::kPre:
        --preformatted_;
        break;
      case Role::kMain:
        --main_;
        break;
      default:
        break;
    }
    if (skipped_ > 0 || element.skips) return;
    switch (element.role) {
      case Role::kInline:
      case Role::kCell:
        break;
      case Role::kHeading:
        builder_.EndHeading();
        builder_.Break(HtmlBreak::kParagraph);
        break;
      case Role::kRow:
        builder_.Row();
        break;
      case Role::kItem:
      case Role::kTerm:
        builder_.EndItem();
        builder_.Break(HtmlBreak::kLine);
        break;
      case Role::kLine:
        builder_.Break(HtmlBreak::kLine);
        break;
      case Role::kTable:
        builder_.Row();
        [[fallthrough]];
      default:
        builder_.Break(BlockBreak());
        break;
    }
  }

  // Blocks inside of items and cells are lines, so that a list or table stays in one piece.
  HtmlBreak BlockBreak() const { return items_ > 0 || cells_ > 0 ? HtmlBreak::kLine : HtmlBreak::kParagraph; }

  // Two names of the same hash would at worst end each other.
  static size_t IdOf(std::string_view name) { return std::hash<std::string_view>()(name); }

  const std::string_view source_;
  const bool keep_asides_;
  const bool has_main_;
  HtmlTextBuilder builder_;
  std::string_view title_;

  std::vector<Element> stack_;               // The open elements that matter.
  size_t overflow_ = 0;                      // Open elements past kDepthMax.
  std::unordered_map<size_t, size_t> open_;  // How many elements of each id are on the stack; none has 0.
  // How many open elements ...
  size_t skipped_ = 0;  // ... are skipped with their content
  size_t lists_ = 0;    // ... are lists, items and so on.
  size_t items_ = 0;
  size_t cells_ = 0;
  size_t boxes_ = 0;
  size_t preformatted_ = 0;
  size_t main_ = 0;
};

// charset=... of a <meta>, or encoding="..." of an XML declaration.
std::string DeclaredEncoding(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, kDeclarationBytes);
  for (const std::string_view key : {std::string_view("charset"), std::string_view("encoding")}) {
    for (size_t i = 0; i + key.size() < head.size(); ++i) {
      if (!EqualsIgnoringCase(head.substr(i, key.size()), key)) continue;
      size_t value = head.find_first_not_of(" \t\r\n", i + key.size());
      if (value == std::string_view::npos || head[value] != '=') continue;
      value = head.find_first_not_of(" \t\r\n\"'", value + 1);
      if (value == std::string_view::npos) continue;
      return std::string(head.substr(value, head.find_first_of(" \t\r\n\"'>;/?", value) - value));
    }
    if (key == "charset" && head.find("<?xml") == std::string_view::npos) break;
  }
  return {};
}

bool HasMain(std::string_view text) {
  for (size_t i = text.find('<'); i != std::string_view::npos; i = text.find('<', i + 1)) {
    if (EqualsIgnoringCase(text.substr(i + 1, 4), "main") || EqualsIgnoringCase(text.substr(i + 1, 7), "article"))
      return true;
  }
  return false;
}

// Puts the page's title above its headings. A first heading of the same words is the title shown on the page.
void AddTitle(std::string_view raw_title, Document& document) {
  HtmlTextBuilder builder(raw_title);
  builder.Text(0, raw_title.size(), /*preformatted=*/false);
  std::string title = HeadingTitle(builder.Finish().text);
  if (title.empty()) return;
  std::vector<Heading>& headings = document.headings;
  if (!headings.empty() && headings.front().title == title) headings.erase(headings.begin());
  for (Heading& heading : headings) ++heading.level;
  headings.insert(headings.begin(), Heading{0, 1, std::move(title)});
}

}  // namespace

Result<Document> HtmlReader::Read(std::string_view bytes) const {
  RAGTIME_ASSIGN_OR_RETURN(const DecodedText decoded, DecodeText(bytes, DeclaredEncoding(bytes)));
  const bool has_main = HasMain(decoded.text);
  PageWalk walk(decoded.text, /*keep_asides=*/false, has_main);
  walk.Run();
  Document document;
  std::string_view title = walk.title();
  if (walk.builder().has_body()) {
    document = walk.builder().Finish();
  } else {
    // A page of links only is all navigation, and still better found than lost.
    PageWalk whole(decoded.text, /*keep_asides=*/true, has_main);
    whole.Run();
    document = whole.builder().Finish();
  }
  AddTitle(title, document);
  document.runs = ComposeRuns(std::move(document.runs), document.text.size(), decoded.runs);
  RAGTIME_RETURN_IF_ERROR(CheckRuns(document));
  document.encoding = decoded.encoding;
  document.warnings = decoded.warnings;
  return document;
}

}  // namespace ragtime
