// SPDX-License-Identifier: Apache-2.0
//
// The command line: reads the arguments, turns Ctrl-C into a cancelled request, and calls one command.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <thread>

#include "cli/options.h"
#include "ragtime/version.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

// Ctrl-C ends the work in order: what was committed stays, nothing more is written. A second Ctrl-C ends at once.
class InterruptWatch {
 public:
  InterruptWatch() {
    sigset_t signals = Signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Inherited by every thread made from here on.
    std::thread([source = source_]() mutable {
      sigset_t waited = Signals();
      int signal = 0;
      ::sigwait(&waited, &signal);
      source.request_stop();
      std::fputs("\nragtime: stopping; press Ctrl-C again to stop at once\n", stderr);
      ::sigwait(&waited, &signal);
      ::_exit(130);
    }).detach();
  }
  Context context() const { return Context{.stop = source_.get_token()}; }

 private:
  static sigset_t Signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    return signals;
  }
  std::stop_source source_;
};

void AddSharedOptions(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_file, "Configuration file, see `ragtime init`")
      ->check(CLI::ExistingFile);
  command.add_option("--kb", options.kb, "Folder of the knowledge base");
  command.add_flag("--json", options.json, "One JSON object on stdout");
}

CLI::Option* AddQuestion(CLI::App& command, Options& options) {
  return command.add_option("question", options.question, "The question");
}

void AddQuestionOptions(CLI::App& command, Options& options) {
  command.add_option("--top-k", options.top_k, "How many hits")->check(CLI::Range(1, 1000));
  command.add_option("--route", options.route, "Which routes the question takes")
      ->check(CLI::IsMember({"vector", "keyword", "hybrid"}));
  command.add_option("--filter", options.filter, "What a passage must match: 'year >= 2020 and not draft'");
  command.add_option("--ef", options.ef, "How many near nodes a walk over a graph keeps: more finds more, and slower")
      ->check(CLI::Range(1, 65536));
}

void AddTableOptions(CLI::App& command, Options& options) {
  command.add_option("--from", options.from, "What the rows are")
      ->check(CLI::IsMember({"files", "nodes"}))
      ->capture_default_str();
  command.add_option("--filter", options.filter, "What a row must match: 'file_type = \"md\" and year >= 2020'");
  command.add_option("--select", options.select, "Columns to show, separated by commas")->delimiter(',');
  command.add_option("--order-by", options.order_by, "Columns, each with \" desc\" behind it for descending order")
      ->delimiter(',');
  command.add_option("--limit", options.limit, "How many rows at most")->capture_default_str();
  command.add_option("--offset", options.offset, "How many rows to pass over")->capture_default_str();
  command.add_option("--group-by", options.group_by, "One row for each value of these columns")->delimiter(',');
  command.add_flag("--count", options.count, "Count the rows, of each group");
  command.add_option("--min", options.minima, "Least value of these columns, of each group")->delimiter(',');
  command.add_option("--max", options.maxima, "Greatest value of these columns, of each group")->delimiter(',');
}

void AddBenchOptions(CLI::App& command, BenchOptions& options) {
  command.add_option("--url", options.url, "A server that speaks OpenAI's API, ending in /v1; else --kb is served");
  command.add_option("--model", options.model, "The model's name on that server");
  command.add_option("--api-key-env", options.api_key_env, "The environment variable that holds its key")
      ->capture_default_str();
  command.add_option("--concurrency", options.users, "Users at once, one row each")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--requests", options.requests, "Requests of each row")->check(CLI::Range(1, 1000000));
  command.add_option("--questions", options.questions, "One a line; else they are made of the passages of --kb")
      ->check(CLI::ExistingFile);
  command.add_option("--max-tokens", options.max_tokens, "Of each answer")->check(CLI::Range(1, 65536));
  command.add_option("--plot", options.plot, "An SVG file to write");
}

void AddModelsOptions(CLI::App& show, CLI::App& add, CLI::App& quantize, CLI::App& compare, ModelsOptions& options) {
  show.add_option("model", options.name, "A name of `ragtime models list`, or a path")->required();
  add.add_option("path", options.name, "A .gguf file, or a folder with a model.json")->required();
  add.add_option("--as", options.as, "Its name; else that of the file");
  add.add_option("--sha256", options.sha256, "What the file must have, 64 hex digits");
  add.add_flag("--link", options.link, "A symbolic link instead of a copy");
  quantize.add_option("model", options.name, "A name or a .gguf file, best one of F16 or BF16")->required();
  quantize.add_option("type", options.type, "F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0")->required();
  quantize.add_option("--as", options.as, "The new model's name; else the old one's with the type behind");
  quantize.add_option("--importance", options.importance,
                      "A knowledge base or a text: what matters to reading it is kept more exact");
  quantize.add_option("--tokens", options.importance_tokens, "With --importance: how much of it is read")
      ->check(CLI::Range(512, 10000000));
  compare.add_option("original", options.name, "A name or a .gguf file")->required();
  compare.add_option("models", options.others, "What is compared with it");
  compare.add_option("--text", options.text, "A text to foretell; else the passages of --kb")->check(CLI::ExistingFile);
  compare.add_option("--tokens", options.tokens, "How much of the text")->check(CLI::Range(512, 10000000));
  compare.add_option("--plot", options.plot, "An SVG file to write");
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"Ragtime answers questions from your documents, with citations.", "ragtime"};
  app.set_version_flag("--version", std::string("ragtime ") + kVersion);
  app.require_subcommand(1);
  app.footer("Example:\n  ragtime ingest ./docs --kb ./kb\n  ragtime ask \"How do I restore a backup?\" --kb ./kb");

  CLI::App* ingest = app.add_subcommand("ingest", "Take up new, changed and deleted files");
  AddSharedOptions(*ingest, options);
  ingest->add_option("paths", options.paths, "Folders or files; dataset_path of the configuration if none is given");
  ingest->add_option("--lock-timeout", options.lock_timeout_s, "Seconds to wait for another writer")
      ->check(CLI::Range(0.0, 3600.0));

  CLI::App* search = app.add_subcommand("search", "Find the passages nearest to a question");
  AddSharedOptions(*search, options);
  CLI::Option* question = AddQuestion(*search, options);
  search->add_option("--queries", options.questions_file, "Many questions, one on each line of this file")
      ->check(CLI::ExistingFile)
      ->excludes(question);
  AddQuestionOptions(*search, options);

  CLI::App* why_not = app.add_subcommand("why-not", "Say why a file is not among the hits of a question");
  AddSharedOptions(*why_not, options);
  why_not->add_option("file", options.missing_file, "As `ragtime files` lists it")->required();
  AddQuestion(*why_not, options)->required();
  AddQuestionOptions(*why_not, options);

  CLI::App* ask = app.add_subcommand("ask", "Answer a question, with citations");
  AddSharedOptions(*ask, options);
  AddQuestion(*ask, options)->required();
  AddQuestionOptions(*ask, options);
  ask->add_option("--mode", options.mode, "How the answer is made")
      ->check(CLI::IsMember({"auto", "generate", "extract"}));
  const auto add_gpu_layers = [&options](CLI::App* command) {
    command->add_option("--gpu-layers", options.gpu_layers, "Layers of the language model that GPUs compute; -1: all")
        ->check(CLI::Range(-1, 1000));
  };
  add_gpu_layers(ask);
  ask->add_option("--format", options.format, "json: the answer is one JSON object, without markers")
      ->check(CLI::IsMember({"text", "json"}));
  ask->add_option("--schema", options.schema, "With --format json: a file with the JSON schema of the answer")
      ->check(CLI::ExistingFile);
  ask->add_option("--session", options.session, "The conversation that the question goes on with");
  bool no_stream = false;
  bool stream = false;
  ask->add_flag("--no-stream", no_stream, "Print the answer when it is whole");
  ask->add_flag("--stream", stream, "With --json: one JSON line for each event");

  CLI::App* query = app.add_subcommand("query", "List, count and group files or nodes by their fields");
  AddSharedOptions(*query, options);
  AddTableOptions(*query, options);

  CLI::App* files = app.add_subcommand("files", "List the files of a knowledge base");
  AddSharedOptions(*files, options);
  files->add_flag("--tree", options.tree, "As a tree of folders");

  CLI::App* stats = app.add_subcommand("stats", "Show sizes and settings of a knowledge base");
  AddSharedOptions(*stats, options);

  const auto add_lock_timeout = [&options](CLI::App* command) {
    command->add_option("--lock-timeout", options.lock_timeout_s, "Seconds to wait for another writer")
        ->check(CLI::Range(0.0, 3600.0));
  };
  CLI::App* remove = app.add_subcommand("delete", "Take files or folders out of a knowledge base");
  AddSharedOptions(*remove, options);
  remove->add_option("paths", options.deleted_paths, "As `ragtime files` lists them")->required();
  add_lock_timeout(remove);

  CLI::App* compact = app.add_subcommand("compact", "Give the space of deleted passages back, merge segments");
  AddSharedOptions(*compact, options);
  add_lock_timeout(compact);

  CLI::App* verify = app.add_subcommand("verify", "Read all of a knowledge base and check it");
  AddSharedOptions(*verify, options);

  CLI::App* backup = app.add_subcommand("backup", "Copy a knowledge base, also while it is in use");
  AddSharedOptions(*backup, options);
  backup->add_option("target", options.copy_path, "Folder to make")->required();
  backup->add_flag("--link", options.link, "Hard links instead of copies: no space, but the same disk");

  CLI::App* restore = app.add_subcommand("restore", "Make the knowledge base --kb from a backup");
  AddSharedOptions(*restore, options);
  restore->add_option("backup", options.copy_path, "Folder that `ragtime backup` made")->required();

  CLI::App* copy = app.add_subcommand("copy", "Take all of a knowledge base into another store, embedding nothing");
  copy->add_option("--from", options.copy_from, "TYPE:URI, as ragtime:FOLDER or map:FILE.ragmap, or a ragtime.yaml")
      ->required();
  copy->add_option("--to", options.copy_to, "The same; made if it is not there")->required();
  copy->add_option("--config", options.config_file, "What both sides have beside their address")
      ->check(CLI::ExistingFile);
  copy->add_flag("--json", options.json, "One JSON object on stdout");
  add_lock_timeout(copy);

  CLI::App* import = app.add_subcommand("import", "Take a collection of another program, with its vectors");
  AddSharedOptions(*import, options);
  import
      ->add_option("--from", options.import_from,
                   "llamaindex:FOLDER, chroma:http://HOST:PORT/COLLECTION, milvus:URI/COLLECTION or lazyllm:STORE_CONF")
      ->required();
  import->add_option("--model", options.model, "The embedding model that made the vectors");
  import
      ->add_option("--map", options.import_map,
                   "text=KEY, source=KEY, page=KEY or FIELD=KEY of the metadata; milvus: vector=COLUMN, id=COLUMN; "
                   "lazyllm: group=NAME")
      ->delimiter(',');
  add_lock_timeout(import);

  CLI::App* reembed = app.add_subcommand("reembed", "Give a knowledge base the vectors of another model");
  AddSharedOptions(*reembed, options);
  CLI::Option* model = reembed->add_option("--model", options.model, "The embedding model to change to");
  reembed->add_flag("--undo", options.undo, "Back to the vectors of before")->excludes(model);
  reembed->add_flag("--force", options.force, "Also where fewer passages are found than before");
  add_lock_timeout(reembed);

  CLI::App* tune = app.add_subcommand("tune", "Measure on your own documents, and keep what suits them");
  AddSharedOptions(*tune, options);
  tune->add_option("--recall", options.recall, "Share of the nearest nodes that a search shall find")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  tune->add_option("--questions", options.questions_file,
                   "Questions to measure with, one on each line; else they are made of nodes")
      ->check(CLI::ExistingFile);
  CLI::Option* kv = tune->add_flag("--kv", options.tune_kv,
                                   "Instead: whether answers may join passages as they were computed elsewhere");
  tune->add_option("--count", options.questions_max, "With --kv: how many questions are made")
      ->check(CLI::Range(10, 10000))
      ->needs(kv);
  tune->add_option("--divergence-max", options.divergence_max, "With --kv: of the first token, in nats, the mean")
      ->check(CLI::Range(0.0, 100.0))
      ->needs(kv);
  tune->add_option("--agreement-min", options.agreement_min, "With --kv: the share of tokens that stay the same")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(kv);
  tune->add_option("--head-tokens", options.head_tokens,
                   "With --kv: of each passage, how many tokens are computed in its place; each is measured")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->needs(kv);
  add_lock_timeout(tune);

  CLI::App* serve = app.add_subcommand("serve", "Answer over HTTP on 127.0.0.1, as OpenAI's API spells it");
  AddSharedOptions(*serve, options);
  serve->add_option("--port", options.port, "Where to listen; 0: a port that the system chooses");
  add_gpu_layers(serve);
  serve->add_option("--mode", options.mode, "How answers are made")
      ->check(CLI::IsMember({"auto", "generate", "extract"}));

  CLI::App* bench = app.add_subcommand("bench", "Measure a server");
  bench->require_subcommand(1);
  CLI::App* bench_serve = bench->add_subcommand("serve", "How soon and how fast it answers some users at once");
  AddSharedOptions(*bench_serve, options);
  AddBenchOptions(*bench_serve, options.bench);
  add_gpu_layers(bench_serve);

  CLI::App* models = app.add_subcommand("models", "List, add, quantize and compare models");
  models->require_subcommand(1);
  CLI::App* models_list = models->add_subcommand("list", "The models that are installed");
  CLI::App* models_show = models->add_subcommand("show", "All that is known of one model");
  CLI::App* models_add = models->add_subcommand("add", "Take a GGUF file or a model folder into the models folder");
  CLI::App* models_quantize = models->add_subcommand("quantize", "Make a smaller model of a language model");
  CLI::App* models_compare =
      models->add_subcommand("compare", "Speed, memory and exactness of language models, on your documents");
  CLI::App* models_tune = models->add_subcommand(
      "tune", "Measure with how many threads and in which batches a model is fastest here, and keep that");
  models_tune->add_option("model", options.models.name, "A name or a .gguf file; else that of the configuration");
  for (CLI::App* command : {models_list, models_show, models_add, models_quantize, models_compare, models_tune}) {
    AddSharedOptions(*command, options);
  }
  AddModelsOptions(*models_show, *models_add, *models_quantize, *models_compare, options.models);
  add_gpu_layers(models_compare);
  add_gpu_layers(models_tune);

  CLI::App* init = app.add_subcommand("init", "Write a commented ragtime.yaml");
  init->add_option("path", options.init_path, "Where to write it")->capture_default_str();
  init->add_flag("--force", options.force, "Overwrite an existing file");
  init->add_flag("--reference", options.reference, "Print the reference of all keys instead");

  CLI::App* doctor = app.add_subcommand("doctor", "Examine this machine: what is there, what is missing, what to do");
  AddSharedOptions(*doctor, options);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 answers 0 for --help and --version; everything else is wrong use.
    if (app.exit(error) == 0) return 0;
    if (std::find(argv, argv + argc, std::string_view("--json")) != argv + argc) {
      std::printf("%s\n", ErrorJson(InvalidArgumentError(error.what(), "see ragtime --help")).Dump().c_str());
    }
    return 2;
  }
  options.stream = !no_stream;
  options.json_events = options.json && stream;

  if (files->parsed()) return RunFiles(options);
  if (stats->parsed()) return RunStats(options);
  if (init->parsed()) return RunInit(options);
  if (doctor->parsed()) return RunDoctor(options);
  if (models_list->parsed()) return RunModelsList(options);
  if (models_show->parsed()) return RunModelsShow(options);
  const InterruptWatch watch;
  if (ingest->parsed()) return RunIngest(options, watch.context());
  if (search->parsed()) return RunSearch(options, watch.context());
  if (why_not->parsed()) return RunWhyNot(options, watch.context());
  if (query->parsed()) return RunQuery(options, watch.context());
  if (remove->parsed()) return RunDelete(options, watch.context());
  if (compact->parsed()) return RunCompact(options, watch.context());
  if (verify->parsed()) return RunVerify(options, watch.context());
  if (backup->parsed()) return RunBackup(options, watch.context());
  if (serve->parsed()) return RunServe(options, watch.context());
  if (restore->parsed()) return RunRestore(options, watch.context());
  if (copy->parsed()) return RunCopy(options, watch.context());
  if (import->parsed()) return RunImport(options, watch.context());
  if (tune->parsed()) return (options.tune_kv ? RunTuneJoins : RunTune)(options, watch.context());
  if (bench_serve->parsed()) return RunBenchServe(options, watch.context());
  if (models_add->parsed()) return RunModelsAdd(options, watch.context());
  if (models_quantize->parsed()) return RunModelsQuantize(options, watch.context());
  if (models_tune->parsed()) return RunModelsTune(options, watch.context());
  if (models_compare->parsed()) return RunModelsCompare(options, watch.context());
  if (reembed->parsed()) return RunReembed(options, watch.context());
  return RunAsk(options, watch.context());
}

}  // namespace
}  // namespace ragtime::cli

int main(int argc, char** argv) { return ragtime::cli::Main(argc, argv); }
