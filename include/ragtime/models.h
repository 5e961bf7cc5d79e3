// SPDX-License-Identifier: Apache-2.0
//
// The models folder: what is in it, how models come into it, smaller ones made of language models, and how they
// compare.
//
// New models go to models_path of the configuration, else into the first models folder that exists. They appear whole
// or not at all. Errors: kNotFound, kAlreadyExists, kInvalidArgument and kDataLoss name the model and the remedy.
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
  bool requantized = false;  // The source had lost precision before.
};
// `name` "": that of the model with "-" and the type behind, in lower case.
Result<QuantizeReport> QuantizeModel(const Config& config, const std::string& model, const std::string& type,
                                     const std::string& name = {});

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

}  // namespace ragtime

#endif  // RAGTIME_MODELS_H_
