// SPDX-License-Identifier: Apache-2.0
#include "model/llama/llama_generator.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/answer_stream.h"
#include "model/llama/llama_model.h"
#include "model/marker_filter.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "run tools/setup.sh, or set llm.model to a GGUF file";

// Chooses each next token by the scores: the best one, or one at random by temperature, among those that the markers
// allow. A token is chosen first and checked then, so that a forbidden one costs only when it comes.
class TokenChooser {
 public:
  TokenChooser(LlamaModel& model, const GenerationRequest& request, uint32_t seed)
      : model_(model), filter_(request.passage_count) {
    if (request.temperature <= 0) return;
    chain_ = llama_sampler_chain_init(llama_sampler_chain_default_params());
    // llama.cpp's own defaults of the two cuts.
    llama_sampler_chain_add(chain_, llama_sampler_init_top_k(40));
    llama_sampler_chain_add(chain_, llama_sampler_init_top_p(0.95f, 1));
    llama_sampler_chain_add(chain_, llama_sampler_init_temp(request.temperature));
    llama_sampler_chain_add(chain_, llama_sampler_init_dist(seed));
  }
  TokenChooser(const TokenChooser&) = delete;
  TokenChooser& operator=(const TokenChooser&) = delete;
  ~TokenChooser() {
    if (chain_ != nullptr) llama_sampler_free(chain_);
  }

  // nullopt: the generation ends here.
  std::optional<llama_token> Next(std::string& piece) {
    const std::span<float> scores = model_.Scores();
    for (int tries = 0;; ++tries) {
      const llama_token token = Choose(scores);
      const bool ends = model_.EndsGeneration(token);
      piece = ends ? "" : model_.Piece(token);
      if (ends ? filter_.MayEnd() : filter_.Allows(piece)) {
        if (ends) return std::nullopt;
        filter_.Take(piece);
        return token;
      }
      scores[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
      if (tries == 8 && !ForbidAllThatIsNotAllowed(scores)) return std::nullopt;
    }
  }

 private:
  llama_token Choose(std::span<const float> scores) {
    if (chain_ == nullptr) {
      return static_cast<llama_token>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    }
    candidates_.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) candidates_[i] = {static_cast<llama_token>(i), scores[i], 0.0f};
    llama_token_data_array array = {candidates_.data(), candidates_.size(), -1, false};
    llama_sampler_apply(chain_, &array);
    return array.data[std::max<int64_t>(0, array.selected)].id;
  }

  // False if no token is left.
  bool ForbidAllThatIsNotAllowed(std::span<float> scores) {
    const std::vector<std::string>& pieces = model_.Pieces();
    bool any = false;
    for (size_t i = 0; i < scores.size(); ++i) {
      const bool ends = model_.EndsGeneration(static_cast<llama_token>(i));
      // An empty piece would be allowed for ever and lead nowhere.
      if (ends ? filter_.MayEnd() : !pieces[i].empty() && filter_.Allows(pieces[i])) {
        any = any || std::isfinite(scores[i]);
      } else {
        scores[i] = -std::numeric_limits<float>::infinity();
      }
    }
    return any;
  }

  LlamaModel& model_;
  MarkerFilter filter_;
  llama_sampler* chain_ = nullptr;
  std::vector<llama_token_data> candidates_;
};

Result<GenerationResult> Run(const Context& context, const GenerationRequest& request, LlamaModel& model, uint32_t seed,
                             AnswerStream& answer) {
  RAGTIME_ASSIGN_OR_RETURN(const LlamaModel::Prompt prompt, model.BuildPrompt(request.messages));
  if (prompt.tokens.size() >= model.context_tokens()) {
    return ResourceExhaustedError(StrCat("the prompt is longer than the context of the language model: ",
                                         prompt.tokens.size(), " of ", model.context_tokens(), " tokens"),
                                  "raise llm.context_tokens or lower answer.passages");
  }
  if (prompt.opens_think) answer.StartInReasoning();
  RAGTIME_ASSIGN_OR_RETURN(const size_t cached_tokens, model.SetPrompt(context, prompt.tokens));
  TokenChooser chooser(model, request, seed);
  size_t completion_tokens = 0;
  bool truncated = request.max_tokens == 0;
  std::string piece;
  while (!truncated) {
    const std::optional<llama_token> token = chooser.Next(piece);
    if (!token) break;
    ++completion_tokens;
    if (!answer.Feed(piece)) break;
    truncated = completion_tokens == request.max_tokens || model.tokens_held() == model.context_tokens();
    if (!truncated) RAGTIME_RETURN_IF_ERROR(model.Append(context, *token));
  }
  GenerationResult result = answer.Finish(completion_tokens);
  result.prompt_tokens = prompt.tokens.size();
  result.cached_tokens = cached_tokens;
  result.truncated = truncated;
  return result;
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

// Holds the right to generate; gives it back when it goes.
class LlamaGenerator::Turn {
 public:
  explicit Turn(LlamaGenerator& generator) : generator_(generator) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    {
      std::lock_guard lock(generator_.turn_mutex_);
      generator_.busy_ = false;
    }
    generator_.turn_over_.notify_one();
  }

 private:
  LlamaGenerator& generator_;
};

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
  RAGTIME_RETURN_IF_ERROR(CheckGguf(gguf));
  if (options.threads == 0) options.threads = AvailableCores();
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
  RAGTIME_RETURN_IF_ERROR(WaitForTurn(context));
  const Turn turn(*this);
  RAGTIME_ASSIGN_OR_RETURN(LlamaModel * model, Model());
  try {
    RAGTIME_RETURN_IF_ERROR(model->StartContext(info_.context_tokens, options_.threads));
    return Run(context, request, *model, options_.seed, answer);
  } catch (const std::exception& exception) {
    return InternalError(StrCat("llama.cpp failed: ", exception.what()));
  }
}

Status LlamaGenerator::WaitForTurn(const Context& context) {
  std::unique_lock lock(turn_mutex_);
  const auto is_free = [this] { return !busy_; };
  const bool got = context.deadline ? turn_over_.wait_until(lock, context.stop, *context.deadline, is_free)
                                    : turn_over_.wait(lock, context.stop, is_free);
  // A wake-up that this request no longer uses must not be lost to the others.
  const Status status = context.Check();
  if (got && status.ok()) busy_ = true;
  if (got && !status.ok()) turn_over_.notify_one();
  return status;
}

Result<LlamaModel*> LlamaGenerator::Model() const {
  std::lock_guard lock(load_mutex_);
  if (model_ == nullptr) {
    try {
      RAGTIME_ASSIGN_OR_RETURN(model_, LlamaModel::Load(gguf_));
    } catch (const std::exception& exception) {
      return DataLossError(StrCat("llama.cpp cannot load the language model ", gguf_.string(), ": ", exception.what()),
                           kRemedy);
    }
  }
  return model_.get();
}

}  // namespace ragtime
