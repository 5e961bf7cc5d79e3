// SPDX-License-Identifier: Apache-2.0
#include "model/scripted/scripted_embedder.h"

#include <cmath>

#include "base/hash.h"
#include "base/str_cat.h"
#include "model/scripted/scripted_words.h"
#include "wire/retry.h"

namespace ragtime {
namespace {

// Eight buckets for each word: with one, two words that happen to share it would look like the same word.
void AddFeature(std::string_view feature, float weight, std::span<float> row) {
  uint64_t hash = Hash64(feature);
  for (int i = 0; i < 8; ++i) {
    row[(hash >> 1) % row.size()] += (hash & 1) != 0 ? weight : -weight;
    hash = (hash ^ (hash >> 29)) * 0x9E3779B97F4A7C15u;
  }
}

// "the", "is", "of": words of up to three letters are in every English text and say little of what it is about.
float WordWeight(std::string_view word) {
  const bool short_letters =
      word.size() <= 3 && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos;
  return short_letters ? 0.25f : 1.0f;
}

std::string Lowercase(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

void EmbedText(std::string_view text, std::span<float> row) {
  const std::vector<ScriptedWord> words = ScriptedWords(text);
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].is_punctuation) continue;
    if (!words[i].is_cjk) {
      const std::string word = Lowercase(words[i].text);
      AddFeature(word, WordWeight(word), row);
      continue;
    }
    // A CJK character says little by itself: pairs of neighbours stand for words, and only a lonely one for itself.
    const auto joined = [&](size_t a, size_t b) {
      return words[a].is_cjk && words[b].is_cjk && words[a].text.data() + words[a].text.size() == words[b].text.data();
    };
    const bool has_next = i + 1 < words.size() && joined(i, i + 1);
    const bool has_previous = i > 0 && joined(i - 1, i);
    if (has_next) {
      AddFeature(StrCat(words[i].text, words[i + 1].text), 1.0f, row);
    } else if (!has_previous) {
      AddFeature(words[i].text, 1.0f, row);
    }
  }
  float squares = 0;
  for (const float value : row) squares += value * value;
  if (squares == 0) {
    // No word at all, or words that cancel each other out: still a row of length 1.
    row[Hash64(text) % row.size()] = 1.0f;
    return;
  }
  const float scale = 1.0f / std::sqrt(squares);
  for (float& value : row) value *= scale;
}

}  // namespace

ScriptedEmbedder::ScriptedEmbedder(ScriptedEmbedderOptions options) : options_(std::move(options)) {
  info_.model = options_.model;
  info_.fingerprint = StrCat("scripted-", options_.model, "-", options_.dimension);
  info_.dimension = options_.dimension;
  info_.max_tokens = options_.max_tokens;
  info_.found_threshold = options_.found_threshold;
}

size_t ScriptedEmbedder::CountTokens(std::string_view text) const { return ScriptedWords(text).size(); }

Result<std::vector<float>> ScriptedEmbedder::Embed(const Context& context, std::span<const std::string> texts,
                                                   TextKind /*kind*/) {
  ++calls_;
  if (options_.delay_ms > 0) RAGTIME_RETURN_IF_ERROR(SleepWithin(context, options_.delay_ms));
  if (options_.fail) RAGTIME_RETURN_IF_ERROR(options_.fail(texts));
  std::vector<float> rows(texts.size() * info_.dimension);
  for (size_t i = 0; i < texts.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    EmbedText(texts[i], std::span<float>(rows).subspan(i * info_.dimension, info_.dimension));
  }
  texts_ += texts.size();
  return rows;
}

}  // namespace ragtime
