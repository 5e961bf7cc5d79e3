// SPDX-License-Identifier: Apache-2.0
//
// What a phrase costs: phrase_search FOLDER QUESTIONS prints, for phrases of 1 to 5 neighbouring words of random nodes,
// of English and of Chinese, the time of the ten best with the quotes and without, and how many nodes hold them.
//
// Positions in the index would be the other way: the last line says how many bytes they would take at least, a packed
// number for each word of each row, of as many bits as its distance from the same word's place before needs.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "store/embedded/embedded_store.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kLimit = 10;

bool IsChinese(const std::string& word) { return static_cast<unsigned char>(word[0]) >= 0xE4; }

// The words from place `first` on, as one might type them; empty where they are not all of one language.
std::string PhraseAt(const std::vector<PlacedWord>& words, size_t first, size_t count, bool chinese) {
  std::string phrase;
  for (size_t i = first; i < first + count; ++i) {
    if (i >= words.size() || IsChinese(words[i].word) != chinese) return "";
    phrase += chinese || phrase.empty() ? words[i].word : StrCat(" ", words[i].word);
  }
  return phrase;
}

Status Run(const char* folder, size_t questions) {
  // No vectors are looked at, so that any type of index will do for them.
  const IndexSet indexes{.vector = std::make_shared<FlatIndexType>(),
                         .keyword = std::make_shared<Bm25IndexType>(),
                         .fields = std::make_shared<ColumnsType>()};
  RAGTIME_ASSIGN_OR_RETURN(const auto store, EmbeddedStore::Open({.uri = folder}, indexes, /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
  std::vector<NodeId> ids;
  RAGTIME_RETURN_IF_ERROR(snapshot->VisitNodes(Context{}, Filter(), [&ids](const NodeRow& row) {
    ids.push_back(row.node_id);
    return true;
  }));
  std::printf("%zu nodes\n", ids.size());
  if (ids.empty()) return Status();
  std::mt19937 random(7);
  for (const bool chinese : {false, true}) {
    for (size_t count = 1; count <= 5; ++count) {
      std::vector<double> quoted_ms, loose_ms;
      size_t held = 0;
      for (size_t tries = 0; quoted_ms.size() < questions && tries < 20 * questions; ++tries) {
        const NodeId id = ids[random() % ids.size()];
        RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&id, 1)));
        const std::vector<PlacedWord> words = PlaceWords(nodes[0]->text);
        const std::string phrase = PhraseAt(words, random() % (words.size() + 1), count, chinese);
        if (phrase.empty()) continue;
        Stopwatch loose;
        RAGTIME_RETURN_IF_ERROR(snapshot->SearchKeyword(Context{}, {.text = phrase, .limit = kLimit}).status());
        loose_ms.push_back(loose.ElapsedMs());
        Stopwatch quoted;
        RAGTIME_ASSIGN_OR_RETURN(
            const std::vector<Hit> hits,
            snapshot->SearchKeyword(Context{}, {.text = StrCat("\"", phrase, "\""), .limit = kLimit}));
        quoted_ms.push_back(quoted.ElapsedMs());
        held += hits.size();
      }
      if (quoted_ms.empty()) continue;
      std::printf(
          "%s, %zu words, %zu phrases: loose p50 %.3f p99 %.3f ms; quoted p50 %.3f p99 %.3f max %.3f ms; %.1f hits\n",
          chinese ? "Chinese" : "English", count, quoted_ms.size(), Median(loose_ms), Quantile(loose_ms, 0.99),
          Median(quoted_ms), Quantile(quoted_ms, 0.99), Quantile(quoted_ms, 1),
          static_cast<double>(held) / static_cast<double>(quoted_ms.size()));
    }
  }
  uint64_t bits = 0;
  const size_t sampled = std::min<size_t>(ids.size(), 20000);
  for (size_t i = 0; i < sampled; ++i) {
    const NodeId id = ids[random() % ids.size()];
    RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&id, 1)));
    std::map<std::string, uint32_t> last;
    for (const PlacedWord& word : PlaceWords(nodes[0]->text)) {
      bits += static_cast<uint64_t>(std::bit_width(word.from - last[word.word]));
      last[word.word] = word.from;
    }
  }
  std::printf("positions: at least %.0f bytes a row\n", static_cast<double>(bits) / 8 / static_cast<double>(sampled));
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: phrase_search FOLDER QUESTIONS\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Run(argv[1], std::strtoull(argv[2], nullptr, 10));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
