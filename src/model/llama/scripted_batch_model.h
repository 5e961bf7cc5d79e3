// SPDX-License-Identifier: Apache-2.0
//
// ScriptedBatchModel is a BatchModel for tests: it needs no weights, refuses whatever llama.cpp would refuse, and
// writes tokens that depend on all that a sequence holds, so that a wrong cell shows in the text.
//
// Threads: as BatchModel; the counters may be read concurrently.
#ifndef RAGTIME_MODEL_LLAMA_SCRIPTED_BATCH_MODEL_H_
#define RAGTIME_MODEL_LLAMA_SCRIPTED_BATCH_MODEL_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/llama/batch_model.h"

namespace ragtime {

class ScriptedBatchModel final : public BatchModel {
 public:
  static constexpr size_t kVocabulary = 64;
  static constexpr Token kEnd = 63;
  static constexpr Token kCloseThink = 62;

  explicit ScriptedBatchModel(size_t cells, size_t sequences, bool keeps = true)
      : cells_max_(cells), held_(sequences), keeps_(keeps) {}

  // What a prompt is answered with, by the definition: at most `tokens_max` tokens, each by the last `window`.
  static std::string Answer(std::vector<Token> prompt, size_t tokens_max, size_t window = SIZE_MAX) {
    std::string text;
    for (size_t i = 0; i < tokens_max; ++i) {
      const Token token = NextOf(prompt, window);
      if (token == kEnd) break;
      text += PieceOf(token);
      prompt.push_back(token);
    }
    return text;
  }

  size_t cells() const override { return cells_max_; }
  size_t sequences() const override { return held_.size(); }
  bool keeps_beginnings() const override { return keeps_; }
  std::string fingerprint() const override { return fingerprint_; }
  size_t vocabulary_size() const override { return kVocabulary; }
  std::string Piece(Token token) const override { return PieceOf(token); }
  const std::vector<std::string>& Pieces() override {
    for (size_t i = pieces_.size(); i < kVocabulary; ++i) pieces_.push_back(PieceOf(static_cast<Token>(i)));
    return pieces_;
  }
  bool EndsGeneration(Token token) const override { return token == kEnd; }

  Status Compute(std::span<const BatchToken> batch, const std::function<bool()>& abort) override {
    if (before_compute) before_compute(batch);
    if (!next_error.ok()) return std::exchange(next_error, Status());
    if (batch.empty() || batch.size() > kBatchTokensMax) return InternalError("a batch of a wrong size");
    scores_.clear();
    for (size_t i = 0; i < batch.size(); ++i) {
      if (abort()) return Status(StatusCode::kAborted, "aborted");
      Cells& cells = held_[static_cast<size_t>(batch[i].sequence)];
      if (batch[i].position != (cells.empty() ? 0 : cells.rbegin()->first + 1)) {
        return InternalError("a batch that begins at a wrong position");
      }
      if (UsedCells() == cells_max_) return ResourceExhaustedError("no cells are left");
      cells[batch[i].position] = std::make_shared<Token>(batch[i].token);
      ++computed;
      if (!batch[i].wants_scores) continue;
      if (cells.rbegin()->first + 1 != cells.size()) return InternalError("scores of a text with gaps");
      scores_[i].assign(kVocabulary, 0.0f);
      scores_[i][static_cast<size_t>(NextOf(TokensOf(cells), window))] = 1.0f;
    }
    return Status();
  }
  std::span<float> Scores(size_t index) override { return scores_.at(index); }

  void Forget(int sequence, size_t position) override {
    Cells& cells = held_[static_cast<size_t>(sequence)];
    if (!keeps_) position = 0;
    cells.erase(cells.lower_bound(position), cells.end());
  }
  void Share(int from, int to, size_t start, size_t end) override {
    const Cells& source = held_[static_cast<size_t>(from)];
    for (auto cell = source.lower_bound(start); cell != source.lower_bound(end); ++cell) {
      const auto [there, is_new] = held_[static_cast<size_t>(to)].insert(*cell);
      if (!is_new && there->second != cell->second) next_error = InternalError("two cells at one position");
    }
  }
  Result<std::vector<std::byte>> SaveState(int sequence) override {
    if (before_save) before_save();
    std::vector<std::byte> state;
    for (const auto& [position, token] : held_[static_cast<size_t>(sequence)]) {
      const int32_t cell[2] = {static_cast<int32_t>(position), *token};
      const auto bytes = std::as_bytes(std::span(cell));
      state.insert(state.end(), bytes.begin(), bytes.end());
    }
    return state;
  }
  Status LoadState(int sequence, std::span<const std::byte> state) override {
    Cells& cells = held_[static_cast<size_t>(sequence)];
    cells.clear();
    if (UsedCells() + state.size() / 8 > cells_max_) return ResourceExhaustedError("no cells are left");
    for (size_t at = 0; at < state.size(); at += 8) {
      int32_t cell[2];
      std::memcpy(cell, state.data() + at, sizeof(cell));
      cells[static_cast<size_t>(cell[0])] = std::make_shared<Token>(cell[1]);
    }
    return Status();
  }

  bool moves() const override { return keeps_; }
  Status LoadMoved(int sequence, std::span<const std::byte> state, ptrdiff_t by) override {
    RAGTIME_RETURN_IF_ERROR(LoadState(sequence, state));
    Cells moved;
    for (const auto& [position, token] : held_[static_cast<size_t>(sequence)]) {
      moved[static_cast<size_t>(static_cast<ptrdiff_t>(position) + by)] = token;
    }
    held_[static_cast<size_t>(sequence)] = std::move(moved);
    return Status();
  }

  std::function<void(std::span<const BatchToken>)> before_compute;  // On the engine thread.
  std::function<void()> before_save;                                // Likewise.
  Status next_error;                                                // Of the next Compute. Set within before_compute.
  std::atomic<size_t> computed = 0;                                 // Tokens.
  std::string fingerprint_ = std::string(32, 'f');
  size_t window = SIZE_MAX;  // How many tokens decide about the next one. With few, the text repeats itself.

 private:
  using Cells = std::map<size_t, std::shared_ptr<Token>>;

  static std::string PieceOf(Token token) {
    if (token == kCloseThink) return "</think>";
    return std::string(1, static_cast<char>('0' + token)) + " ";
  }
  static std::vector<Token> TokensOf(const Cells& cells) {
    std::vector<Token> tokens;
    for (const auto& [position, token] : cells) tokens.push_back(*token);
    return tokens;
  }
  static Token NextOf(const std::vector<Token>& tokens, size_t window) {
    uint32_t hash = 2166136261u;
    for (const Token token : std::span(tokens).last(std::min(window, tokens.size()))) {
      hash = (hash ^ static_cast<uint32_t>(token)) * 16777619u;
    }
    return static_cast<Token>((hash >> 8) % kVocabulary);
  }
  size_t UsedCells() const {
    std::set<const Token*> used;
    for (const Cells& cells : held_) {
      for (const auto& [position, token] : cells) used.insert(token.get());
    }
    return used.size();
  }

  const size_t cells_max_;
  std::vector<Cells> held_;
  const bool keeps_;
  std::map<size_t, std::vector<float>> scores_;
  std::vector<std::string> pieces_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_SCRIPTED_BATCH_MODEL_H_
