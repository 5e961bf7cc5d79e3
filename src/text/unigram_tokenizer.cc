// SPDX-License-Identifier: Apache-2.0
#include "text/unigram_tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";

// Normalized bytes that are split at a time, so that a text of any size is split in memory of this order, and no sum of
// scores grows so large that its rounding decides. A run this long in which every position lies inside some piece is
// cut; real text has a space or a rare character every few words.
constexpr size_t kWindowBytes = 65536;

size_t CharacterBytes(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

// Turns text into what pieces are spelled in, a window at a time.
class UnigramTokenizer::Normalizer {
 public:
  Normalizer(const UnigramTokenizer& tokenizer, std::string_view text) : tokenizer_(tokenizer), text_(text) {}

  bool done() const { return done_; }

  // Appends to `out` until it has at least `size` bytes or the text ends.
  void Fill(std::string& out, size_t size) {
    while (out.size() < size && position_ < text_.size()) {
      if (const auto byte = static_cast<uint8_t>(text_[position_]); byte < 0x80) {
        PutAscii(byte, out);
      } else {
        PutCharacter(out);
      }
    }
    if (position_ < text_.size()) return;
    if (!started_) Put("", out);
    done_ = true;
  }

 private:
  void PutAscii(uint8_t byte, std::string& out) {
    std::string_view replacement(&text_[position_], 1);
    if (tokenizer_.plain_[byte] && started_) {
      // The run of plain characters at once: this is most of an English text.
      const size_t limit = std::min(text_.size(), position_ + kWindowBytes);
      size_t end = position_ + 1;
      while (end < limit && tokenizer_.plain_[static_cast<uint8_t>(text_[end])]) ++end;
      out.append(text_, position_, end - position_);
      after_space_ = false;
      position_ = end;
      return;
    }
    tokenizer_.characters_.Find(byte, replacement);
    if (!replacement.empty()) Put(replacement, out);
    ++position_;
  }

  void PutCharacter(std::string& out) {
    const DecodedCharacter character = DecodeUtf8(text_, position_);
    std::string_view replacement =
        character.valid ? text_.substr(position_, character.size_bytes) : std::string_view("\xEF\xBF\xBD");
    tokenizer_.characters_.Find(character.code_point, replacement);
    if (!replacement.empty()) Put(replacement, out);
    position_ += character.size_bytes;
  }

  void Put(std::string_view bytes, std::string& out) {
    if (!started_ && (bytes.empty() || bytes.front() != ' ')) out += kMetaspace;
    started_ = true;
    for (const char byte : bytes) {
      if (byte != ' ') {
        out += byte;
      } else if (!after_space_) {
        out += kMetaspace;
      }
      after_space_ = byte == ' ';
    }
  }

  const UnigramTokenizer& tokenizer_;
  const std::string_view text_;
  size_t position_ = 0;
  bool started_ = false;
  bool after_space_ = false;
  bool done_ = false;
};

// The best way to each position of a window. Only positions up to reach() have been set.
class UnigramTokenizer::Lattice {
 public:
  struct Step {
    float score = 0;      // Of the best pieces from the window's start up to here.
    int32_t piece = 0;    // The last of them.
    uint32_t length = 0;  // Its bytes; 0: no way leads here yet.
  };

  // For a window of `size` bytes.
  void Reset(size_t size) {
    if (size + 1 > capacity_) {
      capacity_ = size + 1;
      steps_ = std::make_unique_for_overwrite<Step[]>(capacity_);
    }
    reach_ = 0;
    steps_[0] = {};
  }
  // The last position that a piece leads to so far: a position visited when it is the reach is a cut.
  size_t reach() const { return reach_; }
  float score(size_t position) const { return steps_[position].score; }

  void Offer(size_t end, float score, int32_t piece, size_t length) {
    for (; reach_ < end; ++reach_) steps_[reach_ + 1] = {-std::numeric_limits<float>::infinity(), 0, 0};
    Step& step = steps_[end];
    if (score > step.score || step.length == 0) step = {score, piece, static_cast<uint32_t>(length)};
  }

  // The pieces between two cuts (positions that every way leads through), the last one first.
  const std::vector<int32_t>& Path(size_t begin, size_t end) {
    path_.clear();
    for (size_t position = end; position > begin; position -= steps_[position].length) {
      path_.push_back(steps_[position].piece);
    }
    return path_;
  }

 private:
  std::unique_ptr<Step[]> steps_;
  size_t capacity_ = 0;
  size_t reach_ = 0;
  std::vector<int32_t> path_;
};

Result<std::unique_ptr<UnigramTokenizer>> UnigramTokenizer::Open(TokenizerFile file) {
  auto tokenizer = std::unique_ptr<UnigramTokenizer>(new UnigramTokenizer(std::move(file)));
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->trie_, tokenizer->file_.Trie(TokenizerSection::kTrie));
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->scores_, tokenizer->file_.Scores());
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->characters_, tokenizer->file_.CharacterMap());
  for (char32_t c = 0; c < 128; ++c) {
    std::string_view replacement;
    tokenizer->plain_[c] = c != U' ' && !tokenizer->characters_.Find(c, replacement);
  }
  return tokenizer;
}

// Offers every piece that starts at `position`, then the character there as an unknown one.
void UnigramTokenizer::Visit(std::string_view window, size_t position, Lattice& lattice) const {
  const float score = lattice.score(position);
  const size_t limit = std::min(window.size(), position + file_.piece_bytes_max());
  uint32_t slot = 0;
  for (size_t end = position; end < limit;) {
    slot = trie_.Child(slot, static_cast<uint8_t>(window[end]));
    if (slot == 0) break;
    ++end;
    const uint32_t piece = trie_.Piece(slot) - 1;  // Of no piece: larger than any id.
    if (piece < scores_.size()) {
      lattice.Offer(end, score + scores_[piece], static_cast<int32_t>(piece), end - position);
    }
  }
  const size_t next = std::min(window.size(), position + CharacterBytes(window[position]));
  lattice.Offer(next, score + file_.unknown_score(), file_.special().unknown, next - position);
}

// Emits the pieces of the window up to its last cut, or all where it is the last window, and returns the bytes they
// take.
template <typename Emit>
size_t UnigramTokenizer::EncodeWindow(std::string_view window, bool last, Lattice& lattice, const Emit& emit) const {
  lattice.Reset(window.size());
  // A piece that starts at the limit or later could go on in the next window.
  const size_t limit = last ? window.size() : window.size() - file_.piece_bytes_max();
  size_t cut = 0;
  size_t position = 0;
  while (position < limit) {
    if (lattice.reach() == position) {
      emit(lattice.Path(cut, position));
      cut = position;
    }
    Visit(window, position, lattice);
    position = std::min(window.size(), position + CharacterBytes(window[position]));
  }
  if (!last && cut > 0) return cut;
  emit(lattice.Path(cut, position));
  return position;
}

template <typename Emit>
void UnigramTokenizer::EncodeTo(std::string_view text, const Emit& emit) const {
  Normalizer normalizer(*this, text);
  Lattice lattice;
  std::string window;
  window.reserve(std::min(text.size() + text.size() / 2 + kMetaspace.size(), 2 * kWindowBytes));
  do {
    normalizer.Fill(window, kWindowBytes);
    const size_t taken = EncodeWindow(window, normalizer.done(), lattice, emit);
    window.erase(0, taken);
  } while (!normalizer.done() || !window.empty());
}

void UnigramTokenizer::Encode(std::string_view text, std::vector<int32_t>& ids) const {
  EncodeTo(text, [&ids](const std::vector<int32_t>& path) { ids.insert(ids.end(), path.rbegin(), path.rend()); });
}

size_t UnigramTokenizer::Count(std::string_view text) const {
  size_t count = 0;
  EncodeTo(text, [&count](const std::vector<int32_t>& path) { count += path.size(); });
  return count;
}

}  // namespace ragtime
