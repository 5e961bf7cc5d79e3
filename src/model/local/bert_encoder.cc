// SPDX-License-Identifier: Apache-2.0
#include "model/local/bert_encoder.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "base/thread_pool.h"

namespace ragtime {
namespace {

// Sequences are computed together up to so many tokens: a weight is then unpacked once for all of them, and the
// activations still fit the second-level cache (768 KiB for 1,536 columns). 512 was the knee with 2 MiB of it.
constexpr size_t kChunkTokens = 512;
// With fewer tokens, unpacking weights costs more than the products; such chunks are made only if there is no more.
constexpr size_t kChunkTokensMin = 64;

// An uninitialised array aligned to a cache line, which only grows.
template <typename T>
class Buffer {
 public:
  void Reserve(size_t count) {
    if (count <= capacity_) return;
    capacity_ = 0;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64)));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = count;
  }
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t capacity_ = 0;
};

struct QuantizedBuffer {
  Buffer<int8_t> values;
  Buffer<float> scales;
  Buffer<int32_t> offsets;

  void Reserve(size_t tokens, size_t columns) {
    values.Reserve(tokens * columns);
    scales.Reserve(tokens * columns / kQ4BlockValues);
    offsets.Reserve(tokens * columns / kQ4BlockValues);
  }
  QuantizedRows Row(size_t token, size_t columns) const {
    const size_t block = token * columns / kQ4BlockValues;
    return {values.get() + token * columns, scales.get() + block, offsets.get() + block};
  }
};

// What one thread computes one chunk of sequences in. Threads never wait for each other inside a chunk: a split of each
// product over two threads was 1.5 times faster for one short query on an idle machine, and 20 times slower on a busy
// one.
class Workspace {
 public:
  Workspace(const BertModel& model, const BertKernels& kernels) : model_(model), kernels_(kernels) {}

  // Throws std::bad_alloc.
  Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out);

 private:
  void Reserve(size_t longest);
  void RunLayer(const BertLayer& layer, std::span<const std::vector<int32_t>> sequences);
  void Multiply(const BertLinear& linear, const QuantizedBuffer& input, float* out);
  void Attend(std::span<const std::vector<int32_t>> sequences);
  void QuantizeRows(const float* rows, size_t columns, QuantizedBuffer& to);
  // hidden_ = norm(hidden_ + added), and its rounded copy in narrow_input_.
  void AddNorm(const float* added, const BertNorm& norm);
  void Pool(std::span<const std::vector<int32_t>> sequences, float* out) const;

  const BertModel& model_;
  const BertKernels& kernels_;
  size_t tokens_ = 0;
  Buffer<uint8_t> panel_;
  Buffer<float> attention_, hidden_, query_, key_, value_, mixed_, wide_;
  QuantizedBuffer narrow_input_, wide_input_;
};

Status Workspace::Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) {
  tokens_ = 0;
  size_t longest = 0;
  for (const auto& ids : sequences) {
    tokens_ += ids.size();
    longest = std::max(longest, ids.size());
  }
  Reserve(longest);
  float* row = hidden_.get();
  for (const auto& ids : sequences) {
    model_.input()->Fill(ids, row);
    row += ids.size() * model_.dimension();
  }
  AddNorm(nullptr, model_.embedding_norm());
  for (const BertLayer& layer : model_.layers()) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RunLayer(layer, sequences);
  }
  Pool(sequences, out);
  return Status();
}

void Workspace::Reserve(size_t longest) {
  const size_t d = model_.dimension();
  const size_t wide = model_.feed_forward();
  for (Buffer<float>* buffer : {&hidden_, &query_, &key_, &value_, &mixed_}) buffer->Reserve(tokens_ * d);
  wide_.Reserve(tokens_ * wide);
  narrow_input_.Reserve(tokens_, d);
  wide_input_.Reserve(tokens_, wide);
  panel_.Reserve(PanelBytes(std::max(d, wide)));
  attention_.Reserve(AttentionFloats(longest, d / model_.heads()));
}

void Workspace::RunLayer(const BertLayer& layer, std::span<const std::vector<int32_t>> sequences) {
  Multiply(layer.query, narrow_input_, query_.get());
  Multiply(layer.key, narrow_input_, key_.get());
  Multiply(layer.value, narrow_input_, value_.get());
  Attend(sequences);
  QuantizeRows(mixed_.get(), model_.dimension(), narrow_input_);
  Multiply(layer.attention_output, narrow_input_, mixed_.get());
  AddNorm(mixed_.get(), layer.attention_norm);
  Multiply(layer.feed_forward_up, narrow_input_, wide_.get());
  for (size_t t = 0; t < tokens_; ++t) {
    float* row = wide_.get() + t * model_.feed_forward();
    kernels_.gelu(row, model_.feed_forward());
    kernels_.quantize(row, model_.feed_forward(), wide_input_.Row(t, model_.feed_forward()));
  }
  Multiply(layer.feed_forward_down, wide_input_, mixed_.get());
  AddNorm(mixed_.get(), layer.output_norm);
}

void Workspace::Multiply(const BertLinear& linear, const QuantizedBuffer& input, float* out) {
  kernels_.multiply(linear.weight, linear.bias, input.Row(0, linear.weight.columns), tokens_, 0, linear.weight.rows,
                    out, linear.weight.rows, panel_.get());
}

void Workspace::Attend(std::span<const std::vector<int32_t>> sequences) {
  const size_t d = model_.dimension();
  const size_t head_size = d / model_.heads();
  size_t start = 0;
  for (const auto& ids : sequences) {
    for (size_t head = 0; head < model_.heads(); ++head) {
      const size_t offset = start * d + head * head_size;
      kernels_.attend({query_.get() + offset, key_.get() + offset, value_.get() + offset, mixed_.get() + offset, d,
                       ids.size(), head_size},
                      attention_.get());
    }
    start += ids.size();
  }
}

void Workspace::QuantizeRows(const float* rows, size_t columns, QuantizedBuffer& to) {
  for (size_t t = 0; t < tokens_; ++t) kernels_.quantize(rows + t * columns, columns, to.Row(t, columns));
}

void Workspace::AddNorm(const float* added, const BertNorm& norm) {
  const size_t d = model_.dimension();
  for (size_t t = 0; t < tokens_; ++t) {
    float* row = hidden_.get() + t * d;
    kernels_.add_norm(row, added == nullptr ? nullptr : added + t * d, norm.weight, norm.bias, d, model_.epsilon());
    kernels_.quantize(row, d, narrow_input_.Row(t, d));
  }
}

void Workspace::Pool(std::span<const std::vector<int32_t>> sequences, float* out) const {
  const size_t d = model_.dimension();
  const float* row = hidden_.get();
  for (const auto& ids : sequences) {
    std::fill(out, out + d, 0.0f);
    for (size_t t = 0; t < ids.size(); ++t, row += d) {
      for (size_t i = 0; i < d; ++i) out[i] += row[i];
    }
    const float inverse = 1.0f / static_cast<float>(ids.size());
    for (size_t i = 0; i < d; ++i) out[i] *= inverse;
    out += d;
  }
}

struct Chunk {
  size_t begin = 0;
  size_t end = 0;
};

// Consecutive sequences, cut so that every thread gets about four chunks where there is enough for that.
std::vector<Chunk> Cut(std::span<const std::vector<int32_t>> sequences, size_t threads) {
  size_t total = 0;
  for (const auto& ids : sequences) total += ids.size();
  const size_t target = threads == 1 ? kChunkTokens : std::clamp(total / (threads * 4), kChunkTokensMin, kChunkTokens);
  std::vector<Chunk> chunks;
  for (size_t begin = 0; begin < sequences.size();) {
    size_t end = begin;
    size_t tokens = 0;
    do {
      tokens += sequences[end++].size();
    } while (end < sequences.size() && tokens + sequences[end].size() <= target);
    chunks.push_back({begin, end});
    begin = end;
  }
  return chunks;
}

class BertEncoder final : public Encoder {
 public:
  BertEncoder(std::shared_ptr<const BertModel> model, const BertKernels& kernels, size_t threads,
              std::shared_ptr<ThreadBudget> budget)
      : model_(std::move(model)), kernels_(kernels), threads_(threads), budget_(std::move(budget)) {
    info_ = {StrCat("own kernels, ", kernels.name), model_->dimension(), model_->input()->max_tokens(),
             model_->input()->vocabulary_size()};
  }

  const EncoderInfo& info() const override { return info_; }

  Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) override {
    for (const auto& ids : sequences) RAGTIME_RETURN_IF_ERROR(CheckSequence(info_, ids));
    const std::vector<Chunk> chunks = Cut(sequences, threads_);
    std::vector<Status> statuses(chunks.size());
    const bool in_background = budget_ != nullptr && context.in_background;
    const auto run = [&](size_t i) {
      ThreadBudget::Share share;
      if (in_background) {
        Result<ThreadBudget::Share> taken = budget_->TakeForBackground(context, 1);
        statuses[i] = taken.status();
        if (!taken.ok()) return;
        share = *std::move(taken);
      }
      const auto& [begin, end] = chunks[i];
      const bool gives_way = in_background && budget_->must_give_way();
      statuses[i] =
          EncodeChunk(context, sequences.subspan(begin, end - begin), gives_way, out + begin * info_.dimension);
    };
    try {
      if (in_background) (void)Made(low_pool_, threads_);  // Here, where it may fail.
      ThreadBudget::Share share;
      if (budget_ != nullptr && !in_background) share = budget_->TakeForQuestion(std::min(threads_, chunks.size()));
      if (threads_ == 1 || chunks.size() == 1) {
        for (size_t i = 0; i < chunks.size(); ++i) run(i);
      } else {
        // The caller works along, so one thread fewer is needed.
        Made(in_background ? background_pool_ : pool_, threads_ - 1).ParallelFor(chunks.size(), run);
      }
    } catch (const std::exception& error) {
      return ResourceExhaustedError(StrCat("no threads to embed with: ", error.what()));
    }
    for (const Status& status : statuses) RAGTIME_RETURN_IF_ERROR(status);
    return Status();
  }

 private:
  // `gives_way`: on a thread of low priority. The caller's stays as it is, since it could not be raised again; and it
  // is the caller that takes and leaves the workspace, so that nobody waits for a lock of a thread that gives way.
  Status EncodeChunk(const Context& context, std::span<const std::vector<int32_t>> sequences, bool gives_way,
                     float* out) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const Status no_memory = ResourceExhaustedError(StrCat("no memory to embed ", sequences.size(), " texts at once"));
    try {
      std::unique_ptr<Workspace> workspace = TakeWorkspace();
      Status status;
      const auto encode = [&](size_t) {
        if (gives_way) LowerThreadPriority();
        try {
          status = workspace->Encode(context, sequences, out);
        } catch (const std::bad_alloc&) {
          status = no_memory;
        }
      };
      if (gives_way) {
        Made(low_pool_, threads_).ParallelForApart(1, encode);
      } else {
        encode(0);
      }
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(workspace));
      return status;
    } catch (const std::bad_alloc&) {
      return no_memory;
    }
  }

  std::unique_ptr<Workspace> TakeWorkspace() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Workspace>(*model_, kernels_);
    std::unique_ptr<Workspace> workspace = std::move(idle_.back());
    idle_.pop_back();
    return workspace;
  }

  ThreadPool& Made(std::optional<ThreadPool>& pool, size_t threads) {
    std::lock_guard lock(mutex_);
    if (!pool) pool.emplace(threads);
    return *pool;
  }

  const std::shared_ptr<const BertModel> model_;
  const BertKernels& kernels_;
  const size_t threads_;
  const std::shared_ptr<ThreadBudget> budget_;
  EncoderInfo info_;
  std::mutex mutex_;                              // Guards what follows.
  std::vector<std::unique_ptr<Workspace>> idle_;  // As many as threads ever worked at once.
  std::optional<ThreadPool> pool_;                // Made for the first texts that are more than one chunk.
  // Made for the first texts in the background, so that whoever waits for others finds pool_ free.
  std::optional<ThreadPool> background_pool_;
  std::optional<ThreadPool> low_pool_;  // Of low priority.
};

}  // namespace

Result<std::unique_ptr<Encoder>> MakeBertEncoder(std::shared_ptr<const BertModel> model, BertEncoderOptions options) {
  const auto supported = SupportedBertKernels();
  const auto chosen = std::find_if(supported.begin(), supported.end(), [&](const BertKernels* kernels) {
    return options.kernels.empty() || kernels->name == options.kernels;
  });
  if (chosen == supported.end()) {
    return InvalidArgumentError(StrCat("this processor cannot run the kernels named ", options.kernels));
  }
  model->Prefetch();
  const size_t threads = options.threads > 0 ? options.threads : AvailableCores();
  return std::unique_ptr<Encoder>(
      std::make_unique<BertEncoder>(std::move(model), **chosen, threads, std::move(options.budget)));
}

}  // namespace ragtime
