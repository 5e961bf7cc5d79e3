// SPDX-License-Identifier: Apache-2.0
//
// LocalEmbedder is the Embedder of a model folder: model.json, a tokenizer, and weights for one or two encoders.
//
// The small encoder (BertEncoder) is ready in milliseconds; the batch encoder, handed in by the caller, may be faster
// on much text and slow to load. Opening reads model.json and maps the tokenizer; weights are opened by the first
// Embed.
//
// Threads: every method may be called concurrently. Errors: a text cannot fail; a missing or damaged model file does.
#ifndef RAGTIME_MODEL_LOCAL_LOCAL_EMBEDDER_H_
#define RAGTIME_MODEL_LOCAL_LOCAL_EMBEDDER_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_budget.h"
#include "model/encoder.h"
#include "ragtime/embedder.h"
#include "ragtime/status.h"

namespace ragtime {

enum class EncoderChoice {
  kAuto,   // The batch encoder where it is worth its start, else the small one; without it the small one, with a note.
  kSmall,  // The small one only.
  kBatch,  // The batch one only; where it cannot be had, Embed fails.
};

struct LocalEmbedderOptions {
  std::filesystem::path folder;
  EncoderChoice choice = EncoderChoice::kAuto;
  size_t threads = 0;                    // 0: one per core.
  std::shared_ptr<ThreadBudget> budget;  // What our own kernels take them from; null: nothing.
};

// Opens the batch encoder over `graph`, an absolute path or relative to the current folder.
using BatchEncoderFactory = std::function<Result<std::unique_ptr<Encoder>>(const std::filesystem::path& graph,
                                                                           std::shared_ptr<const InputTable> input)>;

class LocalEmbedder : public Embedder {
 public:
  // `batch` may be null: then there is none.
  static Result<std::unique_ptr<LocalEmbedder>> Open(const LocalEmbedderOptions& options, BatchEncoderFactory batch);

  // What the user should know of how texts were embedded so far, e.g. that OpenVINO is missing; sentences.
  virtual std::vector<std::string> Notes() const = 0;
  // EncoderInfo::engine of the encoders opened so far.
  virtual std::vector<std::string> Engines() const = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_LOCAL_EMBEDDER_H_
