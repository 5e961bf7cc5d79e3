// SPDX-License-Identifier: Apache-2.0
#include "model/openai/embedding_answer.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/str_cat.h"
#include "wire/base64.h"

namespace ragtime {
namespace {

static_assert(std::endian::native == std::endian::little, "servers send the bytes of little-endian floats");

Result<std::vector<float>> ReadVector(const Json& embedding) {
  std::vector<float> vector;
  if (embedding.is_string()) {
    const std::optional<std::string> bytes = DecodeBase64(embedding.AsString());
    if (!bytes || bytes->size() % sizeof(float) != 0)
      return DataLossError("the server sent a vector that is no base64", "set embed.encoding to float");
    vector.resize(bytes->size() / sizeof(float));
    std::memcpy(vector.data(), bytes->data(), bytes->size());
  } else {
    if (!embedding.is_array())
      return DataLossError("the server sent a vector that is neither a list nor base64", "look into the server's log");
    vector.reserve(embedding.AsArray().size());
    for (const Json& value : embedding.AsArray()) {
      // What is not finite cannot be written in JSON; servers write null.
      vector.push_back(value.is_number() ? static_cast<float>(value.AsDouble()) : NAN);
    }
  }
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares) || (squares <= 0 && !vector.empty())) {
    return DataLossError("the server sent a vector that is zero or not finite",
                         "look into the server's log; another precision of the model may help");
  }
  const double length = std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(value / length);
  return vector;
}

}  // namespace

Result<std::vector<std::vector<float>>> ReadEmbeddings(const Json& answer, size_t count) {
  const Json& data = answer["data"];
  if (!data.is_array()) {
    return FailedPreconditionError(
        "what answers is no OpenAI-compatible server of embeddings: its answer holds no data",
        "check embed.base_url and embed.model; llama-server wants --embeddings");
  }
  if (data.AsArray().size() != count) {
    return DataLossError(StrCat("the server sent ", data.AsArray().size(), " vectors for this many texts: ", count),
                         "look into the server's log");
  }
  std::vector<std::vector<float>> vectors(count);
  for (size_t i = 0; i < count; ++i) {
    const int64_t index = data[i]["index"].AsInt(static_cast<int64_t>(i));
    if (index < 0 || static_cast<size_t>(index) >= count || !vectors[static_cast<size_t>(index)].empty()) {
      return DataLossError(StrCat("the server sent a vector for no text, or two for one: index ", index, " of ", count),
                           "look into the server's log");
    }
    RAGTIME_ASSIGN_OR_RETURN(std::vector<float> vector, ReadVector(data[i]["embedding"]));
    if (vector.empty()) return DataLossError("the server sent an empty vector", "look into the server's log");
    vectors[static_cast<size_t>(index)] = std::move(vector);
  }
  return vectors;
}

}  // namespace ragtime
