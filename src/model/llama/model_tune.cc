// SPDX-License-Identifier: Apache-2.0
#include "model/llama/model_tune.h"

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <utility>

#include "base/median.h"
#include "base/str_cat.h"
#include "model/llama/llama_model.h"

namespace ragtime {
namespace {

constexpr size_t kPromptTokens = 512;
constexpr size_t kTokens = 24;
constexpr size_t kCells = 768;
constexpr size_t kRounds = 3;
constexpr size_t kBatches[] = {512, 256, 128};  // The first that is as fast as any is chosen.

// What the rounds gave for each setting. Settings take turns, so that what else runs here slows all of them alike.
class Rounds {
 public:
  void Add(size_t setting, const SpeedGauge& gauge) {
    gauges_[setting].first.push_back(gauge.prefill_tokens_per_s);
    gauges_[setting].second.push_back(gauge.decode_tokens_per_s);
  }
  SpeedGauge MedianOf(size_t setting) const {
    const auto& [read, written] = gauges_.at(setting);
    const double per_s = Median(written);
    return {Median(read), per_s, 1000 / per_s};
  }

 private:
  std::map<size_t, std::pair<std::vector<double>, std::vector<double>>> gauges_;
};

Result<std::unique_ptr<LlamaModel>> LoadWarm(const Context& context, const std::filesystem::path& gguf,
                                             const LlamaPlacement& placement, size_t threads) {
  RAGTIME_ASSIGN_OR_RETURN(auto model, LlamaModel::Load(gguf, placement));
  RAGTIME_RETURN_IF_ERROR(model->StartContext(kCells, 1, threads));
  // The first time it reads the weights from the disk.
  RAGTIME_RETURN_IF_ERROR(GaugeSpeed(context, *model, 1, kPromptTokens, 1).status());
  return model;
}

Status GaugeThreads(const Context& context, LlamaModel& model, size_t cores, GgufTuning& tuning) {
  const std::vector<size_t> counts = ThreadCounts(cores);
  Rounds rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    for (const size_t count : counts) {
      model.SetThreads(count, count);
      RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge, GaugeSpeed(context, model, 1, kPromptTokens, kTokens));
      rounds.Add(count, gauge);
    }
  }
  std::vector<Rate> reading;
  std::vector<Rate> writing;
  for (const size_t count : counts) {
    const SpeedGauge speed = rounds.MedianOf(count);
    tuning.threads.push_back({count, speed});
    reading.push_back({count, speed.prefill_tokens_per_s});
    writing.push_back({count, speed.decode_tokens_per_s});
  }
  tuning.threads_chosen = LeastAsFast(writing);
  tuning.read_threads_chosen = LeastAsFast(reading);
  model.SetThreads(tuning.threads_chosen, tuning.read_threads_chosen);
  return Status();
}

Status GaugeBatches(const Context& context, LlamaModel& model, GgufTuning& tuning) {
  Rounds rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    for (const size_t tokens : kBatches) {
      RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge, GaugeSpeed(context, model, 1, kPromptTokens, 1, tokens));
      rounds.Add(tokens, gauge);
    }
  }
  std::vector<Rate> rates;
  for (const size_t tokens : kBatches) {
    const double per_s = rounds.MedianOf(tokens).prefill_tokens_per_s;
    tuning.batches.push_back({tokens, per_s});
    rates.push_back({tokens, per_s});
  }
  tuning.batch_tokens_chosen = LeastAsFast(rates);
  return Status();
}

Status GaugeTypes(const Context& context, const std::filesystem::path& gguf, const LlamaPlacement& placement,
                  size_t cores, GgufTuning& tuning) {
  std::unique_ptr<LlamaModel> models[2];
  for (const bool q8 : {false, true}) {
    LlamaPlacement placed = placement;
    placed.kv_type = q8 ? "q8_0" : "f16";
    RAGTIME_ASSIGN_OR_RETURN(models[q8], LoadWarm(context, gguf, placed, cores));
    models[q8]->SetThreads(tuning.threads_chosen, tuning.read_threads_chosen);
  }
  Rounds rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    for (const bool q8 : {false, true}) {
      RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge, GaugeSpeed(context, *models[q8], 1, kPromptTokens, kTokens));
      rounds.Add(q8, gauge);
    }
  }
  tuning.f16 = rounds.MedianOf(0);
  tuning.q8_0 = rounds.MedianOf(1);
  return Status();
}

}  // namespace

size_t LeastAsFast(const std::vector<Rate>& rates) {
  double best = 0;
  for (const Rate& rate : rates) best = std::max(best, rate.per_s);
  for (const Rate& rate : rates) {
    if (rate.per_s >= (1 - kTie) * best) return rate.key;
  }
  return rates.back().key;
}

std::vector<size_t> ThreadCounts(size_t cores) {
  std::vector<size_t> counts;
  for (size_t count = 1; count < cores; count *= 2) {
    counts.push_back(count);
    if (count > 1 && count + count / 2 < cores) counts.push_back(count + count / 2);
  }
  counts.push_back(std::max<size_t>(cores, 1));
  return counts;
}

Result<GgufTuning> TuneGguf(const Context& context, const std::filesystem::path& gguf, const LlamaPlacement& placement,
                            size_t cores) {
  try {
    GgufTuning tuning;
    {
      RAGTIME_ASSIGN_OR_RETURN(const auto model, LoadWarm(context, gguf, placement, cores));
      RAGTIME_RETURN_IF_ERROR(GaugeThreads(context, *model, cores, tuning));
      RAGTIME_RETURN_IF_ERROR(GaugeBatches(context, *model, tuning));
    }
    RAGTIME_RETURN_IF_ERROR(GaugeTypes(context, gguf, placement, cores, tuning));
    return tuning;
  } catch (const std::exception& exception) {
    return DataLossError(StrCat("llama.cpp cannot compute with ", gguf.string(), ": ", exception.what()));
  }
}

}  // namespace ragtime
