// SPDX-License-Identifier: Apache-2.0
#include "model/text_windows.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// So many windows are held at once, however long the texts are.
constexpr size_t kWindowsMax = 2048;

struct Windows {
  std::vector<std::vector<int32_t>> ids;
  std::vector<size_t> texts;   // Which text a window is of.
  std::vector<float> weights;  // Its tokens without begin and end, at least 1.
  size_t tokens = 0;
};

// Adds the windows' weighted vectors to their texts' rows. Normalising makes a division by the weights' sum needless.
Status Flush(const Context& context, const TextEncoding& encoding, Windows& windows, std::vector<float>& vectors) {
  if (windows.ids.empty()) return Status();
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Encoder> encoder, encoding.choose(windows.tokens));
  std::vector<size_t> order(windows.ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // Longest first: batches of like lengths need little padding, and the last, partly filled one is the cheapest.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return windows.ids[a].size() > windows.ids[b].size(); });
  std::vector<std::vector<int32_t>> sorted;
  sorted.reserve(order.size());
  for (const size_t i : order) sorted.push_back(std::move(windows.ids[i]));
  const size_t d = encoding.dimension;
  std::vector<float> encoded(sorted.size() * d);
  RAGTIME_RETURN_IF_ERROR(encoder->Encode(context, sorted, encoded.data()));
  std::vector<size_t> place(order.size());
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  // In the order of the windows, so that a text's sum does not depend on its company.
  for (size_t w = 0; w < place.size(); ++w) {
    const float* from = encoded.data() + place[w] * d;
    float* to = vectors.data() + windows.texts[w] * d;
    for (size_t i = 0; i < d; ++i) to[i] += windows.weights[w] * from[i];
  }
  windows = Windows();
  return Status();
}

Status Normalize(const TextEncoding& encoding, size_t text, std::span<float> row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares) || squares <= 0) {
    return InternalError(StrCat("the model ", encoding.model, " gave no usable vector for text ", text),
                         "run tools/setup.sh to make the model again");
  }
  const auto inverse = static_cast<float>(1.0 / std::sqrt(squares));
  for (float& value : row) value *= inverse;
  return Status();
}

}  // namespace

Result<std::vector<float>> EmbedTexts(const Context& context, const TextEncoding& encoding, const std::string& prefix,
                                      std::span<const std::string> texts) {
  const size_t d = encoding.dimension;
  const size_t specials = encoding.begin.size() + encoding.end.size();
  if (encoding.max_tokens <= specials) {
    return InvalidArgumentError(StrCat("the model ", encoding.model, " takes too few tokens: ", encoding.max_tokens));
  }
  const size_t longest = encoding.max_tokens - specials;
  std::vector<float> vectors(texts.size() * d, 0.0f);
  Windows windows;
  std::vector<int32_t> ids;
  for (size_t i = 0; i < texts.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    ids.clear();
    // The prefix is a part of the text: encoded apart, the pieces at the border would differ.
    encoding.tokenize(prefix + texts[i], ids);
    size_t begin = 0;
    do {
      const size_t end = std::min(begin + longest, ids.size());
      std::vector<int32_t> window = encoding.begin;
      window.insert(window.end(), ids.begin() + static_cast<ptrdiff_t>(begin),
                    ids.begin() + static_cast<ptrdiff_t>(end));
      window.insert(window.end(), encoding.end.begin(), encoding.end.end());
      // A model without begin and end has no sequence at all for an empty text: its vector is that of token 0.
      if (window.empty()) window.push_back(0);
      windows.tokens += window.size();
      windows.ids.push_back(std::move(window));
      windows.texts.push_back(i);
      windows.weights.push_back(static_cast<float>(std::max<size_t>(end - begin, 1)));
      begin = end;
      if (windows.ids.size() >= kWindowsMax) RAGTIME_RETURN_IF_ERROR(Flush(context, encoding, windows, vectors));
    } while (begin < ids.size());
  }
  RAGTIME_RETURN_IF_ERROR(Flush(context, encoding, windows, vectors));
  for (size_t i = 0; i < texts.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(Normalize(encoding, i, std::span(vectors).subspan(i * d, d)));
  }
  return vectors;
}

}  // namespace ragtime
