// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <string>

namespace ragtime::cli {
namespace {

// Adds a subcommand that runs `run`.
CLI::App& Add(CLI::App& app, const char* name, const char* what, Command run, Command& chosen) {
  CLI::App* const command = app.add_subcommand(name, what);
  command->final_callback([run, &chosen] { chosen = run; });
  return *command;
}

void AddJson(CLI::App& command, Options& options) {
  command.add_flag("--json", options.json, "One JSON object on stdout");
}

void AddShared(CLI::App& command, Options& options) {
  command.add_option("--config", options.config_file, "Configuration file, see `ragtime init`")
      ->check(CLI::ExistingFile);
  command.add_option("--kb", options.kb, "Folder of the knowledge base");
  AddJson(command, options);
}

void AddLockTimeout(CLI::App& command, Options& options) {
  command.add_option("--lock-timeout", options.lock_timeout_s, "Seconds to wait for another writer")
      ->check(CLI::Range(0.0, 3600.0));
}

void AddGpuLayers(CLI::App& command, Options& options) {
  command.add_option("--gpu-layers", options.gpu_layers, "Layers of the language model that GPUs compute; -1: all")
      ->check(CLI::Range(-1, 1000));
}

void AddMode(CLI::App& command, Options& options, const char* what) {
  command.add_option("--mode", options.mode, what)->check(CLI::IsMember({"auto", "generate", "extract"}));
}

CLI::Option* AddQuestion(CLI::App& command, Options& options) {
  return command.add_option("question", options.question, "The question");
}

void AddRetrieval(CLI::App& command, Options& options) {
  command.add_option("--top-k", options.top_k, "How many hits")->check(CLI::Range(1, 1000));
  command.add_option("--route", options.route, "Which routes the question takes")
      ->check(CLI::IsMember({"vector", "keyword", "hybrid"}));
  command.add_option("--filter", options.filter, "What a passage must match: 'year >= 2020 and not draft'");
  command.add_option("--ef", options.ef, "How many near nodes a walk over a graph keeps: more finds more, and slower")
      ->check(CLI::Range(1, 65536));
}

void AddIngest(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& ingest = Add(app, "ingest", "Take up new, changed and deleted files", RunIngest, chosen);
  AddShared(ingest, options);
  ingest.add_option("paths", options.paths, "Folders or files; dataset_path of the configuration if none is given");
  AddLockTimeout(ingest, options);
}

void AddAsk(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& ask = Add(app, "ask", "Answer a question, with citations", RunAsk, chosen);
  AddShared(ask, options);
  AddQuestion(ask, options)->required();
  AddRetrieval(ask, options);
  AddMode(ask, options, "How the answer is made");
  AddGpuLayers(ask, options);
  ask.add_option("--format", options.format, "json: the answer is one JSON object, without markers")
      ->check(CLI::IsMember({"text", "json"}));
  ask.add_option("--schema", options.schema, "With --format json: a file with the JSON schema of the answer")
      ->check(CLI::ExistingFile);
  ask.add_option("--session", options.session, "The conversation that the question goes on with");
  ask.add_flag_callback("--no-stream", [&options] { options.stream = false; }, "Print the answer when it is whole");
  ask.add_flag_callback("--stream", [&options] { options.stream = true; }, "With --json: one JSON line for each event");
}

void AddQuestions(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& search = Add(app, "search", "Find the passages nearest to a question", RunSearch, chosen);
  AddShared(search, options);
  CLI::Option* const question = AddQuestion(search, options);
  search.add_option("--queries", options.questions_file, "Many questions, one on each line of this file")
      ->check(CLI::ExistingFile)
      ->excludes(question);
  AddRetrieval(search, options);

  CLI::App& why_not = Add(app, "why-not", "Say why a file is not among the hits of a question", RunWhyNot, chosen);
  AddShared(why_not, options);
  why_not.add_option("file", options.missing_file, "As `ragtime files` lists it")->required();
  AddQuestion(why_not, options)->required();
  AddRetrieval(why_not, options);

  AddAsk(app, options, chosen);
}

void AddTables(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& query = Add(app, "query", "List, count and group files or nodes by their fields", RunQuery, chosen);
  AddShared(query, options);
  query.add_option("--from", options.from, "What the rows are")
      ->check(CLI::IsMember({"files", "nodes"}))
      ->capture_default_str();
  query.add_option("--filter", options.filter, "What a row must match: 'file_type = \"md\" and year >= 2020'");
  query.add_option("--select", options.select, "Columns to show, separated by commas")->delimiter(',');
  query.add_option("--order-by", options.order_by, "Columns, each with \" desc\" behind it for descending order")
      ->delimiter(',');
  query.add_option("--limit", options.limit, "How many rows at most")->capture_default_str();
  query.add_option("--offset", options.offset, "How many rows to pass over")->capture_default_str();
  query.add_option("--group-by", options.group_by, "One row for each value of these columns")->delimiter(',');
  query.add_flag("--count", options.count, "Count the rows, of each group");
  query.add_option("--min", options.minima, "Least value of these columns, of each group")->delimiter(',');
  query.add_option("--max", options.maxima, "Greatest value of these columns, of each group")->delimiter(',');

  CLI::App& files = Add(app, "files", "List the files of a knowledge base", RunFiles, chosen);
  AddShared(files, options);
  files.add_flag("--tree", options.tree, "As a tree of folders");

  AddShared(Add(app, "stats", "Show sizes and settings of a knowledge base", RunStats, chosen), options);
}

void AddKeeping(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& remove = Add(app, "delete", "Take files or folders out of a knowledge base", RunDelete, chosen);
  AddShared(remove, options);
  remove.add_option("paths", options.deleted_paths, "As `ragtime files` lists them")->required();
  AddLockTimeout(remove, options);

  CLI::App& compact =
      Add(app, "compact", "Give the space of deleted passages back, merge segments", RunCompact, chosen);
  AddShared(compact, options);
  AddLockTimeout(compact, options);

  AddShared(Add(app, "verify", "Read all of a knowledge base and check it", RunVerify, chosen), options);

  CLI::App& backup = Add(app, "backup", "Copy a knowledge base, also while it is in use", RunBackup, chosen);
  AddShared(backup, options);
  backup.add_option("target", options.copy_path, "Folder to make")->required();
  backup.add_flag("--link", options.link, "Hard links instead of copies: no space, but the same disk");

  CLI::App& restore = Add(app, "restore", "Make the knowledge base --kb from a backup", RunRestore, chosen);
  AddShared(restore, options);
  restore.add_option("backup", options.copy_path, "Folder that `ragtime backup` made")->required();
}

void AddMoving(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& copy =
      Add(app, "copy", "Take all of a knowledge base into another store, embedding nothing", RunCopy, chosen);
  copy.add_option("--from", options.copy_from, "TYPE:URI, as ragtime:FOLDER or map:FILE.ragmap, or a ragtime.yaml")
      ->required();
  copy.add_option("--to", options.copy_to, "The same; made if it is not there")->required();
  copy.add_option("--config", options.config_file, "What both sides have beside their address")
      ->check(CLI::ExistingFile);
  AddJson(copy, options);
  AddLockTimeout(copy, options);

  CLI::App& import = Add(app, "import", "Take a collection of another program, with its vectors", RunImport, chosen);
  AddShared(import, options);
  import
      .add_option("--from", options.import_from,
                  "llamaindex:FOLDER, chroma:http://HOST:PORT/COLLECTION, milvus:URI/COLLECTION or lazyllm:STORE_CONF")
      ->required();
  import.add_option("--model", options.model, "The embedding model that made the vectors");
  import
      .add_option("--map", options.import_map,
                  "text=KEY, source=KEY, page=KEY or FIELD=KEY of the metadata; milvus: vector=COLUMN, id=COLUMN; "
                  "lazyllm: group=NAME")
      ->delimiter(',');
  AddLockTimeout(import, options);

  CLI::App& reembed = Add(app, "reembed", "Give a knowledge base the vectors of another model", RunReembed, chosen);
  AddShared(reembed, options);
  CLI::Option* const model = reembed.add_option("--model", options.model, "The embedding model to change to");
  reembed.add_flag("--undo", options.undo, "Back to the vectors of before")->excludes(model);
  reembed.add_flag("--force", options.force, "Also where fewer passages are found than before");
  AddLockTimeout(reembed, options);
}

void AddTune(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& tune = Add(app, "tune", "Measure on your own documents, and keep what suits them", RunTune, chosen);
  AddShared(tune, options);
  tune.add_option("--recall", options.recall, "Share of the nearest nodes that a search shall find")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  tune.add_option("--questions", options.questions_file,
                  "Questions to measure with, one on each line; else they are made of nodes")
      ->check(CLI::ExistingFile);
  CLI::Option* const kv = tune.add_flag("--kv", options.tune_kv,
                                        "Instead: whether answers may join passages as they were computed elsewhere");
  tune.add_option("--count", options.questions_max, "With --kv: how many questions are made")
      ->check(CLI::Range(10, 10000))
      ->needs(kv);
  tune.add_option("--divergence-max", options.divergence_max, "With --kv: of the first token, in nats, the mean")
      ->check(CLI::Range(0.0, 100.0))
      ->needs(kv);
  tune.add_option("--agreement-min", options.agreement_min, "With --kv: the share of tokens that stay the same")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(kv);
  tune.add_option("--head-tokens", options.head_tokens,
                  "With --kv: of each passage, how many tokens are computed in its place; each is measured")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->needs(kv);
  AddLockTimeout(tune, options);
}

void AddServing(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& serve = Add(app, "serve", "Answer over HTTP on 127.0.0.1, as OpenAI's API spells it", RunServe, chosen);
  AddShared(serve, options);
  serve.add_option("--port", options.port, "Where to listen; 0: a port that the system chooses")
      ->check(CLI::Range(0, 65535));
  AddGpuLayers(serve, options);
  AddMode(serve, options, "How answers are made");

  CLI::App* const bench = app.add_subcommand("bench", "Measure a server");
  bench->require_subcommand(1);
  CLI::App& load = Add(*bench, "serve", "How soon and how fast it answers some users at once", RunBenchServe, chosen);
  AddShared(load, options);
  BenchOptions& measured = options.bench;
  load.add_option("--url", measured.url, "A server that speaks OpenAI's API, ending in /v1; else --kb is served");
  load.add_option("--model", measured.model, "The model's name on that server");
  load.add_option("--api-key-env", measured.api_key_env, "The environment variable that holds its key")
      ->capture_default_str();
  load.add_option("--concurrency", measured.users, "Users at once, one row each")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  load.add_option("--requests", measured.requests, "Requests of each row")->check(CLI::Range(1, 1000000));
  load.add_option("--questions", measured.questions, "One a line; else they are made of the passages of --kb")
      ->check(CLI::ExistingFile);
  load.add_option("--max-tokens", measured.max_tokens, "Of each answer")->check(CLI::Range(1, 65536));
  load.add_option("--plot", measured.plot, "An SVG file to write");
  AddGpuLayers(load, options);
}

void AddModels(CLI::App& app, Options& options, Command& chosen) {
  CLI::App* const models = app.add_subcommand("models", "List, add, quantize and compare models");
  models->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, Command run) -> CLI::App& {
    CLI::App& command = Add(*models, name, what, run, chosen);
    AddShared(command, options);
    return command;
  };
  ModelsOptions& named = options.models;
  add("list", "The models that are installed", RunModelsList);

  CLI::App& show = add("show", "All that is known of one model", RunModelsShow);
  show.add_option("model", named.name, "A name of `ragtime models list`, or a path")->required();

  CLI::App& take = add("add", "Take a GGUF file or a model folder into the models folder", RunModelsAdd);
  take.add_option("path", named.name, "A .gguf file, or a folder with a model.json")->required();
  take.add_option("--as", named.as, "Its name; else that of the file");
  take.add_option("--sha256", named.sha256, "What the file must have, 64 hex digits");
  take.add_flag("--link", named.link, "A symbolic link instead of a copy");

  CLI::App& quantize = add("quantize", "Make a smaller model of a language model", RunModelsQuantize);
  quantize.add_option("model", named.name, "A name or a .gguf file, best one of F16 or BF16")->required();
  quantize.add_option("type", named.type, "F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0")->required();
  quantize.add_option("--as", named.as, "The new model's name; else the old one's with the type behind");
  quantize.add_option("--importance", named.importance,
                      "A knowledge base or a text: what matters to reading it is kept more exact");
  quantize.add_option("--tokens", named.importance_tokens, "With --importance: how much of it is read")
      ->check(CLI::Range(512, 10000000));

  CLI::App& compare =
      add("compare", "Speed, memory and exactness of language models, on your documents", RunModelsCompare);
  compare.add_option("original", named.name, "A name or a .gguf file")->required();
  compare.add_option("models", named.others, "What is compared with it");
  compare.add_option("--text", named.text, "A text to foretell; else the passages of --kb")->check(CLI::ExistingFile);
  compare.add_option("--tokens", named.tokens, "How much of the text")->check(CLI::Range(512, 10000000));
  compare.add_option("--plot", named.plot, "An SVG file to write");
  AddGpuLayers(compare, options);

  CLI::App& tune =
      add("tune", "Measure with how many threads and in which batches a model is fastest here, and keep that",
          RunModelsTune);
  tune.add_option("model", named.name, "A name or a .gguf file; else that of the configuration");
  AddGpuLayers(tune, options);
}

void AddSetup(CLI::App& app, Options& options, Command& chosen) {
  CLI::App& init = Add(app, "init", "Write a commented ragtime.yaml", RunInit, chosen);
  init.add_option("path", options.init_path, "Where to write it")->capture_default_str();
  init.add_flag("--force", options.force, "Overwrite an existing file");
  init.add_flag("--reference", options.reference, "Print the reference of all keys instead");

  AddShared(Add(app, "doctor", "Examine this machine: what is there, what is missing, what to do", RunDoctor, chosen),
            options);
}

}  // namespace

void AddCommands(CLI::App& app, Options& options, Command& chosen) {
  AddIngest(app, options, chosen);
  AddQuestions(app, options, chosen);
  AddTables(app, options, chosen);
  AddKeeping(app, options, chosen);
  AddMoving(app, options, chosen);
  AddTune(app, options, chosen);
  AddServing(app, options, chosen);
  AddModels(app, options, chosen);
  AddSetup(app, options, chosen);
}

}  // namespace ragtime::cli
