// SPDX-License-Identifier: Apache-2.0
#include "ingest/node_groups.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "ingest/split/extracts.h"
#include "ingest/split/model_writer.h"
#include "ingest/split/paragraphs.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// Increased whenever the same configuration makes other nodes of the same text.
constexpr int kRules = 1;
constexpr size_t kParagraphTokens = 500;

// The headings in force at a place of the text, which only moves forward.
class HeadingCursor {
 public:
  explicit HeadingCursor(const std::vector<Heading>& headings) : headings_(headings) {}

  // What `piece` is on its own: its text, the headings that it stands under, and those in it.
  Document Part(const Document& document, const Span& piece) {
    for (; next_ < headings_.size() && headings_[next_].text_start <= piece.start; ++next_) {
      while (!open_.empty() && open_.back().level >= headings_[next_].level) open_.pop_back();
      open_.push_back(headings_[next_]);
    }
    Document part;
    part.text = document.text.substr(piece.start, piece.end - piece.start);
    part.headings = open_;
    for (Heading& heading : part.headings) heading.text_start = 0;
    for (size_t i = next_; i < headings_.size() && headings_[i].text_start < piece.end; ++i) {
      part.headings.push_back(headings_[i]);
      part.headings.back().text_start -= piece.start;
    }
    return part;
  }

 private:
  const std::vector<Heading>& headings_;
  size_t next_ = 0;
  std::vector<Heading> open_;
};

// All of the text without the white space around it; none for a blank one.
std::vector<TextPiece> WholeText(const Document& document) {
  Span span{0, document.text.size()};
  while (span.start < span.end) {
    const DecodedCharacter first = DecodeUtf8(document.text, span.start);
    if (!IsSpace(first.code_point)) break;
    span.start += first.size_bytes;
  }
  while (span.end > span.start) {
    const size_t last = CharacterStart(document.text, span.end - 1);
    if (!IsSpace(DecodeUtf8(document.text, last).code_point)) break;
    span.end = last;
  }
  if (span.start == span.end) return {};
  std::vector<std::string> heading;
  if (!document.headings.empty() && document.headings.front().text_start <= span.start)
    heading.push_back(document.headings.front().title);
  return {{span, std::move(heading)}};
}

class Making {
 public:
  Making(const Context& context, const Document& document, const NodeGroupsOptions& options)
      : context_(context), document_(document), options_(options) {}

  Status Add(const NodeGroupConfig& group) {
    if (pieces_.empty()) pieces_[""] = WholeText(document_);
    const auto parent = pieces_.find(group.parent);
    if (parent == pieces_.end())
      return InternalError(StrCat("the node group ", group.name, " comes before its parent"));
    if (group.splitter == "sentence" || group.splitter == "paragraph" || group.splitter == "document") {
      AddPieces(group, parent->second);
      return Status();
    }
    return AddWritten(group, parent->second);
  }

  MadeNodes Take() {
    std::stable_sort(made_.nodes.begin(), made_.nodes.end(), [](const Node& a, const Node& b) {
      return std::tie(a.group, a.position) < std::tie(b.group, b.position);
    });
    return std::move(made_);
  }

 private:
  void AddPieces(const NodeGroupConfig& group, const std::vector<TextPiece>& parents) {
    std::vector<TextPiece> pieces;
    if (group.splitter == "document") {
      pieces = parents;
    } else {
      HeadingCursor headings(document_.headings);
      for (const TextPiece& parent : parents) {
        for (TextPiece& piece : Cut(group, headings.Part(document_, parent.span))) {
          piece.span.start += parent.span.start;
          piece.span.end += parent.span.start;
          pieces.push_back(std::move(piece));
        }
      }
    }
    for (size_t i = 0; i < pieces.size(); ++i) made_.nodes.push_back(NodeOfPiece(document_, pieces[i], group.name, i));
    pieces_[group.name] = std::move(pieces);
  }

  std::vector<TextPiece> Cut(const NodeGroupConfig& group, const Document& part) const {
    if (group.splitter == "paragraph") {
      return CutParagraphs(part, group.size_tokens > 0 ? group.size_tokens : kParagraphTokens, options_.count_tokens);
    }
    const size_t size = group.size_tokens > 0 ? group.size_tokens : options_.size_tokens;
    return SentenceSplitter(size, group.overlap_tokens.value_or(options_.overlap_tokens), options_.count_tokens)
        .Cut(part);
  }

  Status AddWritten(const NodeGroupConfig& group, const std::vector<TextPiece>& parents) {
    size_t position = 0;
    for (const TextPiece& parent : parents) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      const std::string_view text =
          std::string_view(document_.text).substr(parent.span.start, parent.span.end - parent.span.start);
      for (std::string& written : Write(group, text)) {
        Node node;
        node.group = group.name;
        node.position = static_cast<uint32_t>(position++);
        node.text = std::move(written);
        node.heading = parent.heading;
        node.bytes = document_.SourceSpan(parent.span.start, parent.span.end);
        made_.nodes.push_back(std::move(node));
      }
    }
    return Status();
  }

  // The texts of the nodes that are written about one parent.
  std::vector<std::string> Write(const NodeGroupConfig& group, std::string_view text) {
    const WrittenKind kind = group.splitter == "summary"    ? WrittenKind::kSummary
                             : group.splitter == "keywords" ? WrittenKind::kKeywords
                                                            : WrittenKind::kQuestions;
    std::vector<std::string> written;
    if (group.writer == "llm") written = WriteOrWarn(group, kind, text);
    if (written.empty() && kind == WrittenKind::kSummary) written = {ExtractSummary(text)};
    if (written.empty() && kind == WrittenKind::kKeywords) written = ExtractKeywords(text);
    if (kind == WrittenKind::kKeywords && !written.empty()) {
      // One node holds all keywords of its parent, one on each line: that is what the route `keywords` reads.
      std::string lines;
      for (const std::string& keyword : written) lines += (lines.empty() ? "" : "\n") + keyword;
      written = {std::move(lines)};
    }
    std::erase_if(written,
                  [](const std::string& line) { return line.empty() || FindInvalidUtf8(line) != std::string::npos; });
    return written;
  }

  std::vector<std::string> WriteOrWarn(const NodeGroupConfig& group, WrittenKind kind, std::string_view text) {
    // A model that failed for this document would most likely fail for the next part of it, too, after its time-out.
    if (!made_.complete) return {};
    Status status = options_.writer_status;
    if (options_.writer != nullptr) {
      Result<std::vector<std::string>> written = WriteByModel(context_, kind, text, *options_.writer);
      if (written.ok()) return *std::move(written);
      status = written.status();
    } else if (status.ok()) {
      status = UnavailableError("no language model is configured");
    }
    made_.complete = false;
    made_.warnings.push_back(StrCat(
        "the language model did not write the group ", group.name, " (", status.message(), "), so ",
        kind == WrittenKind::kQuestions ? "it has no nodes" : "it was made by rules",
        "; the next ingestion tries again; ", status.remedy().empty() ? "set llm: {model: ...}" : status.remedy()));
    return {};
  }

  const Context& context_;
  const Document& document_;
  const NodeGroupsOptions& options_;
  std::map<std::string, std::vector<TextPiece>> pieces_;  // By group; those of "" are the whole text.
  MadeNodes made_;
};

bool SharesBytes(const Node& a, const Node& b) {
  return a.bytes && b.bytes && a.bytes->start < b.bytes->end && b.bytes->start < a.bytes->end;
}

}  // namespace

Result<MadeNodes> NodeGroups::Make(const Context& context, const Document& document) const {
  if (splitter_ != nullptr) {
    MadeNodes made;
    RAGTIME_ASSIGN_OR_RETURN(made.nodes, splitter_->Split(document));
    return made;
  }
  Making making(context, document, options_);
  for (const NodeGroupConfig& group : groups_) RAGTIME_RETURN_IF_ERROR(making.Add(group));
  return making.Take();
}

bool NodeGroups::IsEmbedded(std::string_view group) const {
  return splitter_ != nullptr ||
         std::any_of(groups_.begin(), groups_.end(), [group](const auto& g) { return g.embed && g.name == group; });
}

std::span<const std::string> NodeGroups::EmbedKeys(std::string_view group) const {
  const auto found = std::find_if(groups_.begin(), groups_.end(), [group](const auto& g) { return g.name == group; });
  return found == groups_.end() ? std::span<const std::string>() : std::span(found->embed_keys);
}

std::vector<std::string> NodeGroups::embedded() const {
  std::vector<std::string> names;
  for (const NodeGroupConfig& group : groups_) {
    if (group.embed) names.push_back(group.name);
  }
  return names;
}

std::string NodeGroups::made_by() const {
  if (splitter_ != nullptr) return {};
  std::string text = StrCat("rules ", kRules, "\n");
  for (const NodeGroupConfig& group : groups_) {
    text += StrCat(group.name, "\t", group.parent, "\t", group.splitter, "\t", group.writer, "\t", group.size_tokens,
                   "\t", group.overlap_tokens.value_or(options_.overlap_tokens), "\t", options_.size_tokens, "\t",
                   group.embed ? "embed" : "");
    for (const std::string& key : group.embed_keys) text += StrCat("\t", key);
    text += "\n";
  }
  return "." + HashHex(text).substr(0, 16);
}

void BorrowVectors(std::vector<NewNode>& nodes, size_t dimension) {
  std::vector<const NewNode*> lenders;  // Of one group, by position, so that their bytes ascend.
  for (const NewNode& node : nodes) {
    if (node.vector.size() == dimension && (lenders.empty() || lenders.front()->node.group == node.node.group))
      lenders.push_back(&node);
  }
  if (lenders.empty()) return;
  std::vector<std::pair<NewNode*, std::vector<float>>> borrowed;
  for (NewNode& node : nodes) {
    if (!node.vector.empty()) continue;
    std::vector<double> sum(dimension);
    const auto add = [&sum](const NewNode& lender) {
      for (size_t d = 0; d < sum.size(); ++d) sum[d] += lender.vector[d];
    };
    // Overlapping nodes of a group begin and end in order: a whole document is one run of them, a sentence one or two.
    auto lender = lenders.begin();
    if (node.node.bytes) {
      lender = std::partition_point(lenders.begin(), lenders.end(), [&node](const NewNode* candidate) {
        return candidate->node.bytes && candidate->node.bytes->end <= node.node.bytes->start;
      });
    }
    bool any = false;
    for (; lender != lenders.end() && SharesBytes((*lender)->node, node.node); ++lender, any = true) add(**lender);
    if (!any) {
      for (const NewNode* each : lenders) add(*each);
    }
    double norm = 0;
    for (const double x : sum) norm += x * x;
    std::vector<float> vector;
    if (norm > 1e-12) {
      for (const double x : sum) vector.push_back(static_cast<float>(x / std::sqrt(norm)));
    } else {
      vector = lenders.front()->vector;
    }
    borrowed.emplace_back(&node, std::move(vector));
  }
  for (auto& [node, vector] : borrowed) node->vector = std::move(vector);
}

}  // namespace ragtime
