// SPDX-License-Identifier: Apache-2.0
//
// What the command line said, and the commands that act on it. Each command returns the exit code: 0 done, 1 failed, 2
// wrong use.
#ifndef RAGTIME_CLI_OPTIONS_H_
#define RAGTIME_CLI_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"

namespace ragtime::cli {

// Contexts of the language model that a server has room for: at the default sizes, about nine prompts.
inline constexpr size_t kContextsAtOnce = 4;

// bench serve
struct BenchOptions {
  std::string url;
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";
  std::string questions;  // A file.
  std::string plot;       // A file to make.
  std::vector<size_t> users = {1, 2, 4, 8, 16};
  size_t requests = 32;
  size_t max_tokens = 64;
};

// models list | show | add | quantize | compare
struct ModelsOptions {
  std::string name;                 // Of the model that is shown, added, quantized, compared with.
  std::vector<std::string> others;  // Compared with it.
  std::string type;
  std::string as;  // The new model's name.
  std::string sha256;
  std::string text;  // A file.
  std::string plot;
  size_t tokens = 4096;
  std::string importance;  // A file, or a knowledge base.
  size_t importance_tokens = 16384;
  bool link = false;
};

struct Options {
  std::string config_file;
  std::string kb;
  bool json = false;
  // ingest
  std::vector<std::string> paths;
  std::optional<double> lock_timeout_s;
  // search, ask
  std::string question;
  std::optional<size_t> top_k;
  std::optional<std::string> route;
  std::optional<std::string> mode;
  std::string filter;  // query too
  std::optional<uint32_t> ef;
  std::string questions_file;  // search, tune
  std::string session;
  std::string format = "text";  // ask: of the answer.
  std::string schema;           // ask: a file, with format json.
  std::optional<bool> stream;   // ask: --stream or --no-stream; else words stream, and JSON does not.
  // why-not
  std::string missing_file;
  // query
  std::string from = "files";
  std::vector<std::string> select;
  std::vector<std::string> order_by;
  std::vector<std::string> group_by;
  std::vector<std::string> minima;
  std::vector<std::string> maxima;
  bool count = false;
  size_t limit = 100;
  size_t offset = 0;
  // files
  bool tree = false;
  // delete, backup, restore
  std::vector<std::string> deleted_paths;
  std::string copy_path;  // The target of backup, the source of restore.
  bool link = false;
  // copy
  std::string copy_from;  // Store addresses.
  std::string copy_to;
  // import, reembed
  std::string import_from;
  std::vector<std::string> import_map;  // "text=page_content"
  std::optional<std::string> model;
  bool undo = false;
  // tune
  double recall = 0.95;
  bool tune_kv = false;
  size_t questions_max = 100;
  std::vector<size_t> head_tokens;  // Empty: as TuneJoinsOptions has them.
  double divergence_max = 0.05;
  double agreement_min = 0.95;
  std::optional<int64_t> gpu_layers;  // ask, serve
  // serve
  std::optional<uint16_t> port;
  // init
  std::string init_path = "ragtime.yaml";
  bool force = false;
  bool reference = false;
  BenchOptions bench;
  ModelsOptions models;
};

int RunIngest(const Options& options, const Context& context);
int RunSearch(const Options& options, const Context& context);
int RunWhyNot(const Options& options, const Context& context);
int RunAsk(const Options& options, const Context& context);
int RunQuery(const Options& options, const Context& context);
int RunFiles(const Options& options);
int RunStats(const Options& options);
int RunDelete(const Options& options, const Context& context);
int RunCompact(const Options& options, const Context& context);
int RunVerify(const Options& options, const Context& context);
int RunBackup(const Options& options, const Context& context);
int RunRestore(const Options& options, const Context& context);
int RunCopy(const Options& options, const Context& context);
int RunImport(const Options& options, const Context& context);
int RunReembed(const Options& options, const Context& context);
int RunTune(const Options& options, const Context& context);
int RunTuneJoins(const Options& options, const Context& context);
int RunServe(const Options& options, const Context& context);
int RunBenchServe(const Options& options, const Context& context);
int RunModelsList(const Options& options);
int RunModelsShow(const Options& options);
int RunModelsAdd(const Options& options, const Context& context);
int RunModelsQuantize(const Options& options, const Context& context);
int RunModelsCompare(const Options& options, const Context& context);
int RunModelsTune(const Options& options, const Context& context);
int RunInit(const Options& options);
int RunDoctor(const Options& options);

// The configuration by precedence: flag, environment, file, default.
Result<Config> ResolveConfig(const Options& options);
// The same, with a knowledge base: `kb` beside the configuration file if nothing names one. kInvalidArgument where
// there is no file either.
Result<Config> ResolveKnowledgeBase(const Options& options);
// Opens it; kNotFound where it is not there.
Result<std::unique_ptr<KnowledgeBase>> OpenKnowledgeBase(const Options& options);

// The lines of a file that are not empty; kInvalidArgument where there is none, or the file cannot be read.
Result<std::vector<std::string>> ReadQuestions(const std::string& path);

// Prints the failure, on stdout as JSON with --json and always in words on stderr, and returns the exit code.
int Fail(const Options& options, const Status& status);

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_OPTIONS_H_
