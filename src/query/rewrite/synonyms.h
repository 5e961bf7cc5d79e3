// SPDX-License-Identifier: Apache-2.0
//
// Synonyms from a table are added to what the keyword route looks for; the embedded question stays as it is.
#ifndef RAGTIME_QUERY_REWRITE_SYNONYMS_H_
#define RAGTIME_QUERY_REWRITE_SYNONYMS_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/rewriter.h"

namespace ragtime {

// A word or phrase, and what else it is called: {"k8s": ["kubernetes"], "备份": ["转储", "backup"]}. Not both ways.
using SynonymTable = std::map<std::string, std::vector<std::string>>;

class SynonymRewriter : public Rewriter {
 public:
  explicit SynonymRewriter(const SynonymTable& table);
  // An entry applies where all its words stand next to each other in the question, compared as the keyword index does.
  Result<RewrittenQuery> Rewrite(const Context& context, std::string_view question) const override;

 private:
  struct Entry {
    std::vector<std::string> words;  // Of the phrase, as the index knows them.
    std::vector<std::string> expansions;
  };
  std::vector<Entry> entries_;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_REWRITE_SYNONYMS_H_
