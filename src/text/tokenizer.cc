// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <utility>

#include "base/str_cat.h"
#include "text/tokenizer_file.h"
#include "text/unigram_tokenizer.h"
#include "text/wordpiece_tokenizer.h"

namespace ragtime {

Result<std::unique_ptr<Tokenizer>> OpenTokenizer(const std::filesystem::path& path) {
  RAGTIME_ASSIGN_OR_RETURN(TokenizerFile file, TokenizerFile::Open(path));
  switch (file.kind()) {
    case TokenizerKind::kUnigram: {
      RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, UnigramTokenizer::Open(std::move(file)));
      return tokenizer;
    }
    case TokenizerKind::kWordPiece: {
      RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, WordPieceTokenizer::Open(std::move(file)));
      return tokenizer;
    }
  }
  return DataLossError(StrCat("the tokenizer ", path.string(), " is of an unknown kind"),
                       "Build or fetch the model again.");
}

}  // namespace ragtime
