// SPDX-License-Identifier: Apache-2.0
//
// Goal: every group is made of its parent's nodes, with the bytes and headings they stand for; written groups come from
// the model or from rules, and never fail a document.
#include "ingest/node_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ingest/split/extracts.h"
#include "ingest/split/kept_replies.h"
#include "ingest/split/model_writer.h"
#include "ingest/split/paragraphs.h"
#include "testing/store_testing.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

size_t CountWords(std::string_view text) { return static_cast<size_t>(std::count(text.begin(), text.end(), ' ')) + 1; }

class ScriptedGenerator : public Generator {
 public:
  const GeneratorInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override { return text.size() / 4; }
  Result<GenerationResult> Generate(const Context&, const GenerationRequest& request, const OnToken&) override {
    ++calls;
    last_user = request.messages.back().content;
    if (!status.ok()) return status;
    return GenerationResult{.text = reply};
  }
  GeneratorInfo info_{.model = "scripted", .languages = {}, .context_tokens = 1024};
  std::string reply;
  std::string last_user;
  Status status;
  int calls = 0;
};

Document Guide() {
  Document document;
  document.text =
      "# Guide\n\nCats sleep by day. Dogs bark at night.\n\n## Birds\n\nBirds sing at dawn. They rest at noon.\n";
  document.runs = {{.text_start = 0, .source_start = 100, .verbatim = true, .source_end = 100 + document.text.size()}};
  document.headings = {{0, 1, "Guide"}, {document.text.find("## Birds"), 2, "Birds"}};
  return document;
}

std::vector<NodeGroupConfig> Groups() {
  return {{.name = "paragraph", .splitter = "paragraph", .embed = true},
          {.name = "sentence", .parent = "paragraph", .size_tokens = 5, .overlap_tokens = 0},
          {.name = "document", .splitter = "document"},
          {.name = "summary", .splitter = "summary"},
          {.name = "keywords", .parent = "paragraph", .splitter = "keywords"}};
}

NodeGroups Make(std::vector<NodeGroupConfig> groups, std::shared_ptr<Generator> writer = nullptr) {
  return NodeGroups(std::move(groups), {.count_tokens = CountWords, .writer = std::move(writer)});
}

std::vector<const Node*> Of(const MadeNodes& made, std::string_view group) {
  std::vector<const Node*> nodes;
  for (const Node& node : made.nodes) {
    if (node.group == group) nodes.push_back(&node);
  }
  return nodes;
}

TEST(NodeGroups, MakesATreeInOnePass) {
  const Document document = Guide();
  const auto made = Make(Groups()).Make({}, document);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_TRUE(made->complete);
  const auto paragraphs = Of(*made, "paragraph");
  ASSERT_EQ(paragraphs.size(), 2u);
  EXPECT_EQ(paragraphs[0]->text, "# Guide\n\nCats sleep by day. Dogs bark at night.");
  EXPECT_EQ(paragraphs[1]->text, "## Birds\n\nBirds sing at dawn. They rest at noon.");
  EXPECT_EQ(paragraphs[1]->heading, (std::vector<std::string>{"Guide", "Birds"}));
  const auto sentences = Of(*made, "sentence");
  ASSERT_GE(sentences.size(), 4u);
  EXPECT_EQ(sentences.back()->text, "They rest at noon.");
  EXPECT_EQ(sentences.back()->heading, (std::vector<std::string>{"Guide", "Birds"}));
  for (const Node* sentence : sentences) {
    // The bytes are those of its text, and lie in one parent.
    ASSERT_TRUE(sentence->bytes);
    EXPECT_EQ(document.text.substr(sentence->bytes->start - 100, sentence->bytes->end - sentence->bytes->start),
              sentence->text);
    EXPECT_EQ(std::count_if(paragraphs.begin(), paragraphs.end(),
                            [&](const Node* parent) {
                              return parent->bytes->start <= sentence->bytes->start &&
                                     sentence->bytes->end <= parent->bytes->end;
                            }),
              1);
  }
  const auto whole = Of(*made, "document");
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0]->bytes, (Span{100, 100 + document.text.size() - 1}));
  EXPECT_EQ(Of(*made, "summary").at(0)->bytes, whole[0]->bytes);
  EXPECT_EQ(Of(*made, "keywords").size(), 2u);
  EXPECT_EQ(Of(*made, "keywords")[1]->bytes, paragraphs[1]->bytes);
  for (size_t i = 1; i < made->nodes.size(); ++i) {
    EXPECT_LT(std::tie(made->nodes[i - 1].group, made->nodes[i - 1].position),
              std::tie(made->nodes[i].group, made->nodes[i].position));
  }
  EXPECT_TRUE(Make(Groups()).Make({}, Document{.text = " \n "})->nodes.empty());
}

TEST(NodeGroups, TellsHowNodesWereMade) {
  const NodeGroups groups = Make(Groups());
  EXPECT_TRUE(groups.IsEmbedded("paragraph"));
  EXPECT_FALSE(groups.IsEmbedded("sentence"));
  EXPECT_EQ(groups.made_by(), Make(Groups()).made_by());
  for (const auto change : {+[](NodeGroupConfig& g) { g.size_tokens = 7; }, +[](NodeGroupConfig& g) { g.embed = true; },
                            +[](NodeGroupConfig& g) { g.name = "x"; }, +[](NodeGroupConfig& g) { g.parent = ""; },
                            +[](NodeGroupConfig& g) { g.overlap_tokens = 2; }}) {
    std::vector<NodeGroupConfig> changed = Groups();
    change(changed[1]);
    EXPECT_NE(Make(changed).made_by(), groups.made_by());
  }
  const SentenceSplitter splitter(16, 0, CountWords);
  EXPECT_EQ(NodeGroups(splitter).made_by(), "");
  EXPECT_TRUE(NodeGroups(splitter).IsEmbedded("sentence-16"));
}

TEST(NodeGroups, TheModelWrites) {
  auto writer = std::make_shared<ScriptedGenerator>();
  writer->reply = "1. What do cats do?\n- When do dogs bark?\n\n1. What do cats do?\n";
  const std::vector<NodeGroupConfig> groups = {
      {.name = "paragraph", .splitter = "paragraph", .embed = true},
      {.name = "questions", .parent = "paragraph", .splitter = "questions", .writer = "llm"}};
  const auto made = Make(groups, writer).Make({}, Guide());
  const auto questions = Of(*made, "questions");
  ASSERT_EQ(questions.size(), 4u);
  EXPECT_EQ(questions[0]->text, "What do cats do?");
  EXPECT_EQ(questions[1]->text, "When do dogs bark?");
  EXPECT_EQ(questions[3]->position, 3u);
  EXPECT_EQ(questions[2]->bytes, Of(*made, "paragraph")[1]->bytes);
  EXPECT_EQ(writer->calls, 2);
  EXPECT_TRUE(made->complete);
}

TEST(NodeGroups, RulesWriteWhereTheModelFailsAndTheDocumentIsReadAgain) {
  auto writer = std::make_shared<ScriptedGenerator>();
  writer->status = UnavailableError("the server is gone", "start it");
  std::vector<NodeGroupConfig> groups = Groups();
  groups[3].writer = groups[4].writer = "llm";
  for (const std::shared_ptr<Generator>& given : {std::shared_ptr<Generator>(writer), std::shared_ptr<Generator>()}) {
    const auto made = Make(groups, given).Make({}, Guide());
    ASSERT_TRUE(made.ok());
    EXPECT_FALSE(made->complete);
    EXPECT_EQ(made->warnings.size(), 1u);
    EXPECT_NE(made->warnings[0].find("summary"), std::string::npos);
    EXPECT_EQ(Of(*made, "summary").size(), 1u);
    EXPECT_EQ(Of(*made, "keywords").size(), 2u);
  }
  EXPECT_EQ(writer->calls, 1);  // Not again for each part of the same document.
  writer->status = Status();
  writer->reply = "  ";  // Nothing of use: rules, and no reason to ask again.
  const auto made = Make(groups, writer).Make({}, Guide());
  EXPECT_TRUE(made->complete);
  EXPECT_FALSE(Of(*made, "summary").at(0)->text.empty());
}

TEST(NodeGroups, WhatTheModelWroteIsNotWrittenAgain) {
  const TemporaryFolder folder;
  auto model = std::make_shared<ScriptedGenerator>();
  model->reply = "What do they do?";
  std::vector<NodeGroupConfig> groups = {
      {.name = "paragraph", .splitter = "paragraph", .embed = true},
      {.name = "questions", .parent = "paragraph", .splitter = "questions", .writer = "llm"}};
  const auto questions = [&](const Document& document) {
    const auto made = Make(groups, std::make_shared<KeptReplies>(model, folder.path())).Make({}, document);
    return Of(*made, "questions").size();
  };
  EXPECT_EQ(questions(Guide()), 2u);
  groups.push_back({.name = "sentence", .parent = "paragraph"});
  EXPECT_EQ(questions(Guide()), 2u);
  EXPECT_EQ(model->calls, 2);
  Document changed = Guide();
  changed.text.replace(changed.text.find("noon"), 4, "dusk");
  EXPECT_EQ(questions(changed), 2u);
  EXPECT_EQ(model->calls, 3);  // One of its paragraphs is new.
}

TEST(ModelWriter, KeepsWithinTheContextAndCutsLists) {
  ScriptedGenerator generator;
  generator.reply = "备份，恢复，备份";
  const auto keywords = WriteByModel({}, WrittenKind::kKeywords, std::string(100000, 'x'), generator);
  EXPECT_EQ(*keywords, (std::vector<std::string>{"备份", "恢复"}));
  EXPECT_LE(generator.last_user.size(), 4u * 1024);
  generator.reply = "backup, point in time\n* restore\n" + std::string(5000, 'y');
  EXPECT_EQ(*WriteByModel({}, WrittenKind::kKeywords, "x", generator),
            (std::vector<std::string>{"backup", "point in time", "restore"}));
  generator.reply = "\n A summary.\nOf two lines. \n";
  EXPECT_EQ(*WriteByModel({}, WrittenKind::kSummary, "x", generator),
            (std::vector<std::string>{"A summary.\nOf two lines."}));
}

TEST(Extracts, FindsKeywordsInBothLanguages) {
  const auto has = [](const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  const auto english = ExtractKeywords(
      "The write-ahead log is written before the table. The write-ahead log makes a crash harmless, and pg_dump reads "
      "it. A checkpoint ends the write-ahead log.",
      6);
  EXPECT_TRUE(has(english, "write-ahead log")) << english.front();
  EXPECT_FALSE(has(english, "the"));
  EXPECT_LE(english.size(), 6u);
  const auto chinese = ExtractKeywords("借书证遗失时请挂失。补办借书证收费。借书证有效期两年，挂失后旧证停用。");
  EXPECT_TRUE(has(chinese, "借书证"));
  EXPECT_FALSE(has(chinese, "借书")) << "only part of a longer one";
  EXPECT_TRUE(has(chinese, "挂失"));
  EXPECT_TRUE(ExtractKeywords("").empty());
  EXPECT_TRUE(ExtractKeywords("。。。 ... 12 15.4").empty());
}

TEST(Extracts, SummaryIsMadeOfSentencesInTheirOrder) {
  const std::string text =
      "Backups save data. It rained. A backup is made by pg_dump, and a backup is restored by pg_restore. The end. "
      "Restoring a backup needs the backup file.";
  const std::string summary = ExtractSummary(text, 2);
  EXPECT_EQ(std::count(summary.begin(), summary.end(), '\n'), 1) << summary;
  size_t from = 0;
  for (size_t start = 0; start < summary.size();) {
    const size_t end = std::min(summary.find('\n', start), summary.size());
    const size_t at = text.find(summary.substr(start, end - start), from);
    EXPECT_NE(at, std::string::npos) << summary;
    from = at;
    start = end + 1;
  }
  EXPECT_EQ(summary.find("It rained"), std::string::npos);
  EXPECT_EQ(ExtractSummary("   "), "");
  EXPECT_EQ(ExtractSummary("。"), "。");
}

TEST(Extracts, TakesAnyBytesInLinearTime) {
  const uint32_t seed = std::random_device{}();
  std::printf("RAGTIME_SEED=%u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (size_t i = 0; i < random() % 300; ++i) text += static_cast<char>(random());
    text = ReplaceInvalidUtf8(text);
    EXPECT_EQ(FindInvalidUtf8(ExtractSummary(text)), std::string::npos);
    for (const std::string& word : ExtractKeywords(text)) EXPECT_EQ(FindInvalidUtf8(word), std::string::npos);
    EXPECT_TRUE(Make(Groups()).Make({}, Document{.text = text}).ok());
  }
  std::string han;
  while (han.size() < 2 * kExtractBytesMax) han += "备份与恢复数据库系统";
  EXPECT_FALSE(ExtractKeywords(han).empty());
  EXPECT_FALSE(ExtractSummary(std::string(2 * kExtractBytesMax, 'x')).empty());
}

TEST(Paragraphs, LongOnesAreCut) {
  Document document;
  for (int i = 0; i < 30; ++i) document.text += "One two three four five. ";
  const auto pieces = CutParagraphs(document, 20, CountWords);
  EXPECT_GT(pieces.size(), 5u);
  for (const TextPiece& piece : pieces)
    EXPECT_LE(CountWords(std::string_view(document.text).substr(piece.span.start, piece.span.end - piece.span.start)),
              20u);
}

TEST(BorrowVectors, TakesTheMeanOfWhatSharesItsBytes) {
  std::vector<NewNode> nodes(4);
  nodes[0].node = {.group = "a", .bytes = Span{0, 10}};
  nodes[0].vector = {1, 0};
  nodes[1].node = {.group = "a", .bytes = Span{10, 20}};
  nodes[1].vector = {0, 1};
  nodes[2].node = {.group = "b", .bytes = Span{2, 5}};
  nodes[3].node = {.group = "c", .bytes = Span{0, 20}};
  BorrowVectors(nodes, 2);
  EXPECT_EQ(nodes[2].vector, (std::vector<float>{1, 0}));
  EXPECT_FLOAT_EQ(nodes[3].vector.at(0), std::sqrt(0.5f));
  EXPECT_FLOAT_EQ(nodes[3].vector.at(1), std::sqrt(0.5f));
  EXPECT_EQ(nodes[0].vector, (std::vector<float>{1, 0}));
  nodes[1].vector = {-1, 0};  // Opposite vectors have no mean; the first is taken.
  nodes[3].vector.clear();
  BorrowVectors(nodes, 2);
  EXPECT_EQ(nodes[3].vector, (std::vector<float>{1, 0}));
}

}  // namespace
}  // namespace ragtime
