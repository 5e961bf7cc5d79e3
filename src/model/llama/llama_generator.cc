// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_generator.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/answer_stream.h"
#include "model/llama/json_grammar.h"
#include "model/llama/llama_model.h"
#include "model/llama/scheduler.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "run tools/setup.sh, or set llm.model to a GGUF file";

constexpr char kJoinRecord[] = "joins.json";
// Another one where chunks are joined in another way, so that what was measured holds no more.
constexpr int64_t kJoinRecordFormat = 3;

// How far the distribution by `scores` is from the one by `exact`, in nats.
double Divergence(std::span<const float> exact, std::span<const float> scores) {
  const auto log_sum = [](std::span<const float> values) {
    const double most = *std::max_element(values.begin(), values.end());
    double sum = 0;
    for (const float value : values) sum += std::exp(value - most);
    return most + std::log(sum);
  };
  const double exact_sum = log_sum(exact);
  const double sum = log_sum(scores);
  double divergence = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double log_exact = exact[i] - exact_sum;
    if (log_exact > -40) divergence += std::exp(log_exact) * (log_exact - (scores[i] - sum));
  }
  return std::max(0.0, divergence);
}

// Whether answers can be held to what is asked for.
Status CheckJson(const GenerationRequest& request, const LlamaModel& model) {
  if (!request.json_schema) return Status();
  RAGTIME_ASSIGN_OR_RETURN(const std::string grammar, JsonGrammar(*request.json_schema));
  llama_sampler* sampler = model.MakeGrammar(grammar);
  if (sampler == nullptr) {
    return InvalidArgumentError("llama.cpp cannot follow the grammar of the JSON schema",
                                "correct the schema: a $ref must not stand for nothing but itself");
  }
  llama_sampler_free(sampler);
  return Status();
}

Status CheckGguf(const std::filesystem::path& gguf) {
  std::error_code error;
  if (!std::filesystem::exists(gguf, error)) {
    return NotFoundError(StrCat("there is no language model at ", gguf.string()), kRemedy);
  }
  std::ifstream file(gguf, std::ios::binary);
  char magic[4] = {};
  if (!file.read(magic, sizeof(magic)) || std::string_view(magic, sizeof(magic)) != "GGUF") {
    return DataLossError(StrCat("this is no GGUF file: ", gguf.string()), kRemedy);
  }
  return Status();
}

}  // namespace

Result<std::unique_ptr<LlamaGenerator>> LlamaGenerator::Open(LlamaGeneratorOptions options) {
  std::error_code error;
  std::filesystem::path gguf = options.model_path;
  GeneratorInfo info;
  info.context_tokens = options.context_tokens;
  if (std::filesystem::is_directory(options.model_path, error)) {
    const std::filesystem::path description = options.model_path / "model.json";
    constexpr uint64_t kDescriptionBytesMax = 1 << 20;
    const Result<std::string> text = ReadFile(description, kDescriptionBytesMax);
    if (!text.ok()) return text.status().WithRemedy(kRemedy);
    const Result<Json> json = Json::Parse(*text);
    if (!json.ok()) return json.status().Annotate(description.string()).WithRemedy(kRemedy);
    if ((*json)["kind"].AsString() != "generator" || !(*json)["gguf"].is_string()) {
      return InvalidArgumentError(StrCat("this model is no language model: ", description.string()),
                                  "set llm.model to a language model");
    }
    gguf = options.model_path / (*json)["gguf"].AsString();
    info.model = (*json)["name"].AsString(options.model_path.filename().string());
    for (const Json& language : (*json)["languages"].AsArray()) info.languages.push_back(language.AsString());
    info.cites = (*json)["cites"].AsBool(true);
    const int64_t trained = (*json)["context_tokens"].AsInt();
    if (trained > 0) info.context_tokens = std::min(info.context_tokens, static_cast<size_t>(trained));
  } else {
    info.model = gguf.stem().string();
  }
  info.holds_markers = true;
  RAGTIME_RETURN_IF_ERROR(CheckGguf(gguf));
  if (options.threads == 0) options.threads = AvailableCores();
  if (options.read_threads == 0) options.read_threads = options.threads;
  if (options.batch_tokens == 0) options.batch_tokens = kBatchTokensMax;
  return std::unique_ptr<LlamaGenerator>(new LlamaGenerator(std::move(options), std::move(gguf), std::move(info)));
}

LlamaGenerator::LlamaGenerator(LlamaGeneratorOptions options, std::filesystem::path gguf, GeneratorInfo info)
    : options_(std::move(options)), gguf_(std::move(gguf)), info_(std::move(info)) {}

LlamaGenerator::~LlamaGenerator() = default;

size_t LlamaGenerator::CountTokens(std::string_view text) const {
  const Result<LlamaModel*> model = Model();
  if (!model.ok()) return text.size();
  try {
    return (*model)->Tokenize(text, false).size();
  } catch (const std::exception&) {
    return text.size();
  }
}

Result<GenerationResult> LlamaGenerator::Generate(const Context& context, const GenerationRequest& request,
                                                  const OnToken& on_token) {
  AnswerStream answer(on_token);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_ASSIGN_OR_RETURN(Scheduler * scheduler, GetScheduler());
  try {
    // Where no budget is given, thinking gets half of the answer's; an answer of a few words is given without.
    constexpr size_t kShortTokens = 200;
    const bool is_short = !request.thinking_tokens && request.max_tokens < kShortTokens;
    const bool may_think = !is_short && request.thinking_tokens != size_t{0} && !request.json_schema;
    RAGTIME_RETURN_IF_ERROR(CheckJson(request, *model_));
    const bool joins = join_head_tokens_ > 0 && request.chunks.size() > 1;
    RAGTIME_ASSIGN_OR_RETURN(
        LlamaModel::Prompt prompt,
        model_->BuildPrompt(request.messages, joins ? std::span<const Span>(request.chunks) : std::span<const Span>(),
                            may_think));
    if (prompt.opens_think) answer.StartInReasoning();
    GenerationRequest limited = request;
    ThinkingLimit thinking{.tokens_max = request.thinking_tokens.value_or(request.max_tokens / 2),
                           .open = prompt.opens_think,
                           .close = std::move(prompt.close_think)};
    if (!thinking.close.empty() && request.thinking_tokens) {
      limited.max_tokens += *request.thinking_tokens + thinking.close.size();
    }
    return scheduler->Run(context, std::move(prompt.tokens), limited, answer,
                          {.chunks = std::move(prompt.chunks),
                           .joins = joins,
                           .head_tokens = join_head_tokens_,
                           .thinking = std::move(thinking)});
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
}

Status LlamaGenerator::Prepare(const Context& context, const std::vector<ChatMessage>& beginning) {
  RAGTIME_ASSIGN_OR_RETURN(Scheduler * scheduler, GetScheduler());
  std::call_once(expected_, [] {});  // There is nothing left to load.
  try {
    std::vector<ChatMessage> messages = beginning;
    messages.push_back({"user", "?"});
    RAGTIME_ASSIGN_OR_RETURN(LlamaModel::Prompt prompt, model_->BuildPrompt(messages));
    std::vector<Token> tokens = scheduler->latest_prompt();
    if (tokens.empty()) {
      tokens = std::move(prompt.tokens);
    } else {
      // What is saved is all but the last token of a prompt, and that is the template's, the same for all.
      tokens.push_back(prompt.tokens.back());
      NotePrepared(tokens, std::span(prompt.tokens).last(prompt.tail));
    }
    GenerationRequest request;
    request.max_tokens = 1;
    const OnToken nobody;
    AnswerStream answer(nobody);
    return scheduler->Run(context, std::move(tokens), request, answer).status();
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
}

void LlamaGenerator::NotePrepared(std::span<const Token> prompt, std::span<const Token> tail) {
  // A conversation that was given up halfway does not end as the template has it.
  if (prompt.size() < tail.size() || !std::ranges::equal(prompt.last(tail.size()), tail)) return;
  const std::span<const Token> said = prompt.first(prompt.size() - tail.size());
  std::lock_guard lock(load_mutex_);
  prepared_.assign(said.begin(), said.end());
}

std::string LlamaGenerator::prepared_prompt() const {
  std::lock_guard lock(load_mutex_);
  std::string text;
  for (const Token token : prepared_) text += model_->Piece(token);
  return text;
}

void LlamaGenerator::Expect() {
  std::call_once(expected_, [this] {
    try {
      loading_ = std::jthread([this] { (void)GetScheduler(); });
    } catch (const std::system_error&) {
      // No thread is to be had: Generate loads, as without Expect.
    }
  });
}

GeneratorStatistics LlamaGenerator::statistics() const {
  std::lock_guard lock(load_mutex_);
  return scheduler_ != nullptr ? scheduler_->statistics() : GeneratorStatistics{};
}

Result<JoinComparison> LlamaGenerator::CompareJoins(const Context& context, const GenerationRequest& request,
                                                    std::span<const size_t> head_tokens) {
  RAGTIME_ASSIGN_OR_RETURN(Scheduler * scheduler, GetScheduler());
  try {
    RAGTIME_ASSIGN_OR_RETURN(const LlamaModel::Prompt prompt, model_->BuildPrompt(request.messages, request.chunks));
    if (prompt.chunks.size() < 2) return FailedPreconditionError("a prompt with one passage has nothing to join");
    GenerationRequest chunk_request;
    chunk_request.max_tokens = 0;
    const Generator::OnToken nobody;
    const auto head = prompt.tokens.begin();
    for (const TokenRange& chunk : prompt.chunks) {
      std::vector<Token> tokens(head, head + static_cast<ptrdiff_t>(prompt.chunks.front().start));
      tokens.insert(tokens.end(), head + static_cast<ptrdiff_t>(chunk.start), head + static_cast<ptrdiff_t>(chunk.end));
      AnswerStream nothing(nobody);
      RAGTIME_RETURN_IF_ERROR(scheduler->Run(context, std::move(tokens), chunk_request, nothing).status());
    }
    RunOptions run{.chunks = prompt.chunks, .always_joins = true, .start_max = prompt.chunks.front().start};
    const auto answer_by = [&](std::vector<float>& scores) {
      AnswerStream answer(nobody);
      run.first_scores = &scores;
      return scheduler->Run(context, prompt.tokens, request, answer, run);
    };
    JoinComparison comparison;
    std::vector<float> exact_scores;
    RAGTIME_ASSIGN_OR_RETURN(const GenerationResult whole, answer_by(exact_scores));
    comparison.text = whole.text;
    comparison.ttft_ms = whole.ttft_ms;
    const std::vector<Token> exact = model_->Tokenize(whole.text, false);
    // The first chunk stands where it was computed: it is found with the beginning, and exact.
    run.joins = true;
    run.start_max = prompt.chunks.front().end;
    for (const size_t tokens : head_tokens) {
      run.head_tokens = tokens;
      const uint64_t before = scheduler->statistics().joined_tokens;
      std::vector<float> scores;
      RAGTIME_ASSIGN_OR_RETURN(const GenerationResult result, answer_by(scores));
      JoinedAnswer joined{.head_tokens = tokens,
                          .divergence_nats = Divergence(exact_scores, scores),
                          .joined_tokens = scheduler->statistics().joined_tokens - before,
                          .ttft_ms = result.ttft_ms,
                          .text = result.text};
      if (joined.joined_tokens == 0 && comparison.joined.empty()) {
        return FailedPreconditionError("nothing of the prompt could be joined",
                                       "raise llm.kv_memory_bytes, or use a model that keeps keys and values");
      }
      const std::vector<Token> written = model_->Tokenize(result.text, false);
      joined.tokens = std::max(exact.size(), written.size());
      const size_t shorter = std::min(exact.size(), written.size());
      while (joined.agreed < shorter && exact[joined.agreed] == written[joined.agreed]) ++joined.agreed;
      comparison.joined.push_back(std::move(joined));
    }
    return comparison;
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
}

std::optional<JoinRecord> LlamaGenerator::ReadJoinRecord(const std::string& fingerprint) const {
  if (options_.kv_folder.empty()) return std::nullopt;
  constexpr uint64_t kRecordBytesMax = 1 << 16;
  const Result<std::string> text = ReadFile(options_.kv_folder / kJoinRecord, kRecordBytesMax);
  if (!text.ok()) return std::nullopt;
  const Result<Json> json = Json::Parse(*text);
  // One of another model, or of another version of this code, says nothing.
  if (!json.ok() || (*json)["model"].AsString() != fingerprint || (*json)["format"].AsInt() != kJoinRecordFormat) {
    return std::nullopt;
  }
  JoinRecord record{.questions = static_cast<size_t>((*json)["questions"].AsInt()),
                    .whole_ttft_ms = (*json)["whole_ttft_ms"].AsDouble(),
                    .whole_from_passages = (*json)["whole_from_passages"].AsDouble(),
                    .whole_on_topic = (*json)["whole_on_topic"].AsDouble(),
                    .head_tokens = static_cast<size_t>(std::max<int64_t>(0, (*json)["head_tokens"].AsInt()))};
  for (const Json& point : (*json)["points"].AsArray()) {
    record.points.push_back({.head_tokens = static_cast<size_t>(point["head_tokens"].AsInt()),
                             .divergence_nats = point["divergence_nats"].AsDouble(),
                             .agreement = point["agreement"].AsDouble(),
                             .ttft_ms = point["ttft_ms"].AsDouble(),
                             .from_passages = point["from_passages"].AsDouble(),
                             .on_topic = point["on_topic"].AsDouble(),
                             .allowed = point["allowed"].AsBool(false)});
  }
  return record;
}

std::optional<JoinRecord> LlamaGenerator::join_record() const {
  const Result<LlamaModel*> model = Model();
  return model.ok() ? ReadJoinRecord((*model)->fingerprint()) : std::nullopt;
}

Status LlamaGenerator::KeepJoinRecord(const JoinRecord& record) {
  if (options_.kv_folder.empty()) {
    return FailedPreconditionError("there is no folder to keep the record in",
                                   "use a knowledge base of type ragtime, which has the folder kv/");
  }
  RAGTIME_ASSIGN_OR_RETURN(LlamaModel * model, Model());
  std::error_code error;
  std::filesystem::create_directories(options_.kv_folder, error);
  Json points(Json::Array{});
  for (const JoinPoint& point : record.points) {
    Json entry(Json::Object{});
    entry.Set("head_tokens", uint64_t{point.head_tokens}).Set("divergence_nats", point.divergence_nats);
    entry.Set("agreement", point.agreement).Set("ttft_ms", point.ttft_ms);
    entry.Set("from_passages", point.from_passages).Set("on_topic", point.on_topic);
    points.Append(std::move(entry.Set("allowed", point.allowed)));
  }
  Json json(Json::Object{});
  json.Set("format", kJoinRecordFormat).Set("model", model->fingerprint());
  json.Set("head_tokens", uint64_t{record.head_tokens}).Set("questions", uint64_t{record.questions});
  json.Set("whole_ttft_ms", record.whole_ttft_ms).Set("whole_from_passages", record.whole_from_passages);
  json.Set("whole_on_topic", record.whole_on_topic).Set("points", std::move(points));
  const std::string text = json.Dump() + "\n";
  const std::filesystem::path partial = options_.kv_folder / StrCat(kJoinRecord, ".tmp");
  RAGTIME_RETURN_IF_ERROR(WriteFileDurably(partial, std::as_bytes(std::span(text))));
  return RenameDurably(partial, options_.kv_folder / kJoinRecord);
}

Result<Scheduler*> LlamaGenerator::GetScheduler() {
  RAGTIME_ASSIGN_OR_RETURN(LlamaModel * model, Model());
  std::lock_guard lock(load_mutex_);
  if (scheduler_ != nullptr) return scheduler_.get();
  try {
    const size_t context_tokens = model->ContextTokens(info_.context_tokens);
    // More sequences than requests: one for loading and saving states, one for what prompts share, and those in which
    // the heads of passages are computed side by side.
    constexpr size_t kSequencesMax = 256;
    constexpr size_t kHeadSequencesMax = 8;
    const size_t parallel = std::clamp<size_t>(options_.parallel, 1, kSequencesMax - 2);
    const size_t head_sequences = std::min(kHeadSequencesMax, kSequencesMax - 2 - parallel);
    const size_t sequences = parallel + 2 + head_sequences;
    if (!model->has_context()) {
      RAGTIME_RETURN_IF_ERROR(model->StartContext(std::max(context_tokens, options_.kv_tokens), sequences,
                                                  std::max(options_.threads, options_.read_threads)));
      model->SetThreads(options_.threads, options_.read_threads);
    }
    // Where several can run at once, prompts are read in a memory of their own. GPUs rather compute them together.
    constexpr size_t kReadingSequences = 2;
    if (options_.kv_tokens > context_tokens && model->computes_on_cpu() && reading_model_ == nullptr) {
      RAGTIME_ASSIGN_OR_RETURN(reading_model_, model->StartSecondContext(context_tokens, kReadingSequences));
      reading_model_->SetThreads(options_.threads, options_.read_threads);
    }
    // A GPU computes by itself: one thread tells it what.
    const size_t threads = model->computes_on_cpu() ? std::max(options_.threads, options_.read_threads) : 1;
    const auto record = options_.chunk_reuse ? ReadJoinRecord(model->fingerprint()) : std::nullopt;
    if (record) join_head_tokens_ = record->head_tokens;
    const bool guesses =
        options_.prompt_lookup == "auto" || (options_.prompt_lookup == "exact" && model->rounds_alike());
    scheduler_ = std::make_unique<Scheduler>(*model,
                                             SchedulerOptions{.context_tokens = context_tokens,
                                                              .batch_tokens = options_.batch_tokens,
                                                              .memory_bytes_max = options_.kv_memory_bytes,
                                                              .disk_bytes_max = options_.kv_disk_bytes,
                                                              .states_folder = options_.kv_folder,
                                                              .reuse = options_.reuse,
                                                              .head_sequences = head_sequences,
                                                              .prompt_lookup = guesses,
                                                              .always_guesses = options_.always_guesses,
                                                              .weighs_saving = !model->computes_on_cpu(),
                                                              .seed = options_.seed,
                                                              .budget = options_.budget,
                                                              .threads = threads},
                                             reading_model_.get());
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
  return scheduler_.get();
}

Result<LlamaModel*> LlamaGenerator::Model() const {
  std::lock_guard lock(load_mutex_);
  if (model_ == nullptr) {
    try {
      RAGTIME_ASSIGN_OR_RETURN(model_, LlamaModel::Load(gguf_, options_.placement));
    } catch (const std::exception& exception) {
      return DataLossError(StrCat("llama.cpp cannot load the language model ", gguf_.string(), ": ", exception.what()),
                           kRemedy);
    }
  }
  return model_.get();
}

}  // namespace ragtime
