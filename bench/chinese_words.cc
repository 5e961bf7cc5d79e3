// SPDX-License-Identifier: Apache-2.0
//
// Whether a dictionary finds Chinese better than pairs of characters: chinese_words FOLDER QUESTIONS [USER_DICTIONARY]
// asks each question of QUESTIONS (lines "question<TAB>file below FOLDER", as bench/recall.py writes them) by words
// alone, cut both ways, and prints where the file stands, what the dictionary takes, and how fast texts are cut.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/stopwatch.h"
#include "store/map/map_store.h"
#include "text/jieba/jieba_dictionary.h"

namespace ragtime {
namespace {

// A heading is looked for in pieces of its section, of at most so many characters.
constexpr size_t kPieceCharacters = 400;

struct Question {
  std::string text;
  std::string file;
};

std::vector<std::string> PiecesOf(const std::string& text) {
  std::vector<std::string> pieces(1);
  size_t characters = 0;
  for (const char c : text) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (starts && characters++ == kPieceCharacters) {
      pieces.emplace_back();
      characters = 1;
    }
    pieces.back().push_back(c);
  }
  return pieces;
}

double ResidentMb() {
  std::ifstream status("/proc/self/statm");
  size_t total = 0, resident = 0;
  status >> total >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

Status Measure(const char* name, const std::filesystem::path& folder, const std::vector<Question>& questions,
               std::shared_ptr<const ChineseDictionary> chinese) {
  MapStore store({}, nullptr, std::move(chinese));
  RAGTIME_RETURN_IF_ERROR(store.BeginWrite(0));
  std::map<std::string, std::string> texts;
  size_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    RAGTIME_ASSIGN_OR_RETURN(std::string text, ReadFile(entry.path()));
    bytes += text.size();
    texts[entry.path().filename().string()] = std::move(text);
  }
  WriteBatch batch;
  for (const auto& [file, text] : texts) {
    DocumentWrite document{.file = {.file_path = file}};
    for (const std::string& piece : PiecesOf(text)) {
      NewNode& node = document.nodes.emplace_back();
      node.node.position = static_cast<uint32_t>(document.nodes.size() - 1);
      node.node.text = piece;
      node.vector = {1.0f};
    }
    batch.documents.push_back(std::move(document));
  }
  Stopwatch building;
  RAGTIME_RETURN_IF_ERROR(store.Commit(Context{}, std::move(batch)).status());
  const double build_ms = building.ElapsedMs();
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store.OpenSnapshot());
  double first = 0, ten = 0, reciprocal = 0, gain = 0;
  for (const Question& question : questions) {
    RAGTIME_ASSIGN_OR_RETURN(const auto hits, snapshot->SearchKeyword(Context{}, {.text = question.text, .limit = 60}));
    RAGTIME_ASSIGN_OR_RETURN(const auto wanted, snapshot->FindFile(question.file));
    std::vector<DocumentId> seen;
    for (const Hit& hit : hits) {
      RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&hit.node_id, 1)));
      const DocumentId document = nodes[0]->document_id;
      if (std::find(seen.begin(), seen.end(), document) == seen.end()) seen.push_back(document);
      if (!wanted || document != wanted->id || seen.size() > 10) continue;
      const auto rank = static_cast<double>(seen.size());
      first += rank == 1 ? 1 : 0;
      ten += 1;
      reciprocal += 1 / rank;
      gain += 1 / std::log2(1 + rank);
      break;
    }
  }
  const auto count = static_cast<double>(questions.size());
  std::printf("%-8s recall@1 %.3f recall@10 %.3f MRR %.3f nDCG@10 %.3f; store of %.1f MB made in %.0f ms; %.0f MB\n",
              name, first / count, ten / count, reciprocal / count, gain / count, static_cast<double>(bytes) / 1e6,
              build_ms, ResidentMb());
  return Status();
}

Status Run(int argc, char** argv) {
  std::vector<Question> questions;
  std::ifstream lines(argv[2]);
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) questions.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  std::printf("%zu questions\n", questions.size());
  RAGTIME_RETURN_IF_ERROR(Measure("bigrams", argv[1], questions, nullptr));
  Stopwatch opening;
  RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<const ChineseDictionary> chinese,
                           JiebaDictionary::Open(RAGTIME_BENCH_JIEBA, argc > 3 ? argv[3] : ""));
  const double open_ms = opening.ElapsedMs();
  const double before_mb = ResidentMb();
  Stopwatch loading;
  chinese->FindWords("数据库", [](size_t, size_t, size_t) {});
  std::printf("dictionary: opened in %.1f ms, read in %.0f ms, %.0f MB\n", open_ms, loading.ElapsedMs(),
              ResidentMb() - before_mb);
  return Measure("jieba", argv[1], questions, chinese);
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: chinese_words FOLDER QUESTIONS [USER_DICTIONARY]\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Run(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
