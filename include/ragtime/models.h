// SPDX-License-Identifier: Apache-2.0
//
// The models folder: what is in it, how models come into it, smaller ones made of language models, how they
// compare, and what suits them on this machine.
//
// New models go to models_path of the configuration, else into the first models folder that exists. They appear whole
// or not at all.
//
// Threads: functions without state; of two that make the same name at once, one fails. Errors: kNotFound,
// kAlreadyExists, kInvalidArgument, kUnavailable and kDataLoss name the model and the remedy.
#ifndef RAGTIME_MODELS_H_
#define RAGTIME_MODELS_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct ModelRecord {
  std::string name;
  std::string kind;             // "generator" | "embedder"
  std::filesystem::path path;   // A folder, or a .gguf file.
  std::string architecture;     // As the GGUF file names it, e.g. "llama".
  std::string type;             // "Q8_0"; "" where the file does not say.
  uint64_t context_tokens = 0;  // What it was trained with.
  uint64_t size_bytes = 0;      // Of all its files.
  std::string sha256;           // Of the GGUF file: what was recorded when it came. ShowModel reads the file.
};

// Sorted by name. A folder that cannot be read as a model is left out.
std::vector<ModelRecord> ListModels(const Config& config);
Result<ModelRecord> ShowModel(const Config& config, const std::string& name);

struct AddModelRequest {
  std::filesystem::path source;  // A .gguf file of a language model, or a folder with a model.json.
  std::string name;              // "": that of the source.
  std::string sha256;            // "": not compared.
  bool link = false;             // A symbolic link instead of a copy.
};
Result<ModelRecord> AddModel(const Config& config, const AddModelRequest& request);

struct QuantizeReport {
  ModelRecord from;
  ModelRecord to;
  bool requantized = false;      // The source had lost precision before.
  size_t importance_tokens = 0;  // Of the text that showed what matters; 0: all of the model was taken to matter alike.
};
// A text like those that the model will read. What it multiplies most with there is kept more exact.
struct ImportanceText {
  std::string text;  // "": none.
  size_t tokens_max = 16384;
  Context context;
};
// `name` "": that of the model with "-" and the type behind, in lower case. kInvalidArgument where the type cannot heed
// an importance text (F16, BF16, Q8_0), or the text has less than 512 tokens.
Result<QuantizeReport> QuantizeModel(const Config& config, const std::string& model, const std::string& type,
                                     const std::string& name = {}, const ImportanceText& importance = {});

struct ModelComparison {
  ModelRecord model;
  double prefill_tokens_per_s = 0;  // Of one user.
  double decode_tokens_per_s = 0;
  uint64_t memory_bytes = 0;  // By which the process grows.
  uint64_t text_tokens = 0;   // That were foretold.
  double perplexity = 0;
  double kl_mean = 0;  // From the original's distribution of the next token, in nats. 0 of the original itself.
  double kl_p99 = 0;
  double agreement = 0;  // How often the most likely token is the original's.
};
// The first of `models` is the original. All read the same text, at most `tokens_max` tokens of it.
Result<std::vector<ModelComparison>> CompareModels(const Config& config, const std::vector<std::string>& models,
                                                   const std::string& text, size_t tokens_max,
                                                   const Context& context = {});

// What was measured of a language model on this machine, and what is chosen: answers read and write by it from now on
// where `threads` of the configuration is 0.
struct ModelTuning {
  struct Speed {
    size_t threads = 0;
    double read_tokens_per_s = 0;
    double write_tokens_per_s = 0;
  };
  struct Batch {
    size_t tokens = 0;
    double read_tokens_per_s = 0;
  };
  ModelRecord model;
  size_t cores = 0;
  std::vector<Speed> speeds;
  std::vector<Batch> batches;
  // Written with keys and values of each type. Reported and not chosen: the type changes what answers are.
  double f16_tokens_per_s = 0;
  double q8_0_tokens_per_s = 0;
  size_t threads = 0;  // To write with.
  size_t read_threads = 0;
  size_t batch_tokens = 0;
  std::filesystem::path record;  // In the user's cache folder; safe to delete.
};
// Takes half a minute for a small model, and as much memory as the model twice. Nothing else should run meanwhile.
Result<ModelTuning> TuneModel(const Config& config, const std::string& model, const Context& context = {});

}  // namespace ragtime

#endif  // RAGTIME_MODELS_H_
