// SPDX-License-Identifier: Apache-2.0
//
// How near the language model in this process comes to what this machine can do: reading a prompt beside the peak of
// its multiplications, writing beside the speed of its memory, all measured in one run.
//
// usage: model_limits MODEL.gguf [--kv f16|q8_0] [--threads N] [--write-threads N] [--rounds 5] [--prompt 512]
//                  [--tokens 64]
// In each round the memory, the multiplications and the model take turns; medians of the rounds are printed. The peaks
// are those of vector instructions (AVX-512, else AVX2); matrix units (AMX) and GPUs are not measured. Prompts are
// counted without attention, tokens written with the keys and values that each reads.
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "model/llama/llama_model.h"
#include "model/llama/model_gauge.h"
#include "model/llama/model_work.h"

namespace ragtime {
namespace {

constexpr size_t kReadBytes = size_t{1} << 30;  // Far beyond the caches.
constexpr size_t kSteps = 40'000'000;           // Of each core: a fraction of a second.

__attribute__((target("avx2"))) uint64_t ReadAll(const std::byte* data, size_t bytes) {
  __m256i sums[4] = {};
  for (size_t at = 0; at + 128 <= bytes; at += 128) {
    for (size_t i = 0; i < 4; ++i) {
      const auto* block = reinterpret_cast<const __m256i*>(data + at + 32 * i);
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(block));
    }
  }
  const __m256i sum = _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]), _mm256_xor_si256(sums[2], sums[3]));
  return static_cast<uint64_t>(_mm256_extract_epi64(sum, 0));
}

// Chains that do not depend on each other, as many as hide the latency.
__attribute__((target("avx512f"))) void MultiplyFloats512() {
  __m512 sums[12];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  __m512 factor = _mm512_set1_ps(0.999f);
  for (size_t step = 0; step < kSteps / 12; ++step) {
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
    asm volatile("" : "+v"(factor));
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}

__attribute__((target("avx2,fma"))) void MultiplyFloats256() {
  __m256 sums[12];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  __m256 factor = _mm256_set1_ps(0.999f);
  for (size_t step = 0; step < kSteps / 12; ++step) {
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
    asm volatile("" : "+x"(factor));
  }
  for (auto& sum : sums) asm volatile("" : : "x"(sum));
}

__attribute__((target("avx512f,avx512vnni"))) void MultiplyBytes512() {
  __m512i sums[12] = {};
  __m512i factor = _mm512_set1_epi8(1);
  for (size_t step = 0; step < kSteps / 12; ++step) {
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, factor, factor);
    asm volatile("" : "+v"(factor));
  }
  for (auto& sum : sums) asm volatile("" : : "v"(sum));
}

struct Peak {
  const char* name;
  double operations_a_step;
  void (*run)();
};

std::vector<Peak> PeaksHere() {
  std::vector<Peak> peaks;
  if (__builtin_cpu_supports("avx512f")) {
    peaks.push_back({"FP32, AVX-512", 32, &MultiplyFloats512});
  } else if (__builtin_cpu_supports("fma")) {
    peaks.push_back({"FP32, AVX2", 16, &MultiplyFloats256});
  }
  if (__builtin_cpu_supports("avx512vnni")) peaks.push_back({"INT8, AVX-512 VNNI", 128, &MultiplyBytes512});
  return peaks;
}

struct Arguments {
  std::string model;
  LlamaPlacement placement{.gpu_layers = 0};
  size_t threads = AvailableCores();
  size_t write_threads = 0;  // 0: as many.
  size_t rounds = 5;
  size_t prompt = 512;
  size_t tokens = 64;
};

// What the keys and values of `count` tokens take.
Result<uint64_t> StateBytes(LlamaModel& model, size_t count) {
  std::vector<BatchToken> batch;
  for (size_t i = 0; i < count; ++i) batch.push_back({static_cast<Token>(1000 + i), i, 0, i + 1 == count});
  RAGTIME_RETURN_IF_ERROR(model.Compute(batch, [] { return false; }));
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::byte> state, model.SaveState(0));
  model.Forget(0, 0);
  return state.size();
}

Status Measure(const Arguments& arguments) {
  RAGTIME_ASSIGN_OR_RETURN(const ModelWork work, WorkOfGguf(arguments.model));
  RAGTIME_ASSIGN_OR_RETURN(const auto model, LlamaModel::Load(arguments.model, arguments.placement));
  RAGTIME_RETURN_IF_ERROR(model->StartContext(arguments.prompt + arguments.tokens, 1, arguments.threads));
  model->SetThreads(arguments.write_threads == 0 ? arguments.threads : arguments.write_threads, arguments.threads);
  RAGTIME_ASSIGN_OR_RETURN(const uint64_t state_bytes, StateBytes(*model, std::min(arguments.prompt, kBatchTokensMax)));
  const std::vector<Peak> peaks = PeaksHere();
  ThreadPool pool(arguments.threads);
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(128, kReadBytes));
  if (memory == nullptr) return ResourceExhaustedError("there is no memory to read", "free 1 GiB");
  std::fill(memory, memory + kReadBytes, std::byte{1});
  std::vector<double> bandwidth;
  std::vector<std::vector<double>> rates(peaks.size());
  std::vector<double> prefill;
  std::vector<double> decode;
  volatile uint64_t kept = 0;
  for (size_t round = 0; round <= arguments.rounds; ++round) {
    const Stopwatch reading;
    const size_t part = kReadBytes / arguments.threads / 128 * 128;
    pool.ParallelFor(arguments.threads, [&](size_t i) { kept = ReadAll(memory + i * part, part); });
    const double read_per_s = 1000 * static_cast<double>(part * arguments.threads) / reading.ElapsedMs();
    std::vector<double> peak_per_s;
    for (const Peak& peak : peaks) {
      const Stopwatch multiplying;
      pool.ParallelFor(arguments.threads, [&](size_t) { peak.run(); });
      const double steps = static_cast<double>(kSteps / 12 * 12 * arguments.threads);
      peak_per_s.push_back(1000 * steps * peak.operations_a_step / multiplying.ElapsedMs());
    }
    RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge,
                             GaugeSpeed(Context{}, *model, 1, arguments.prompt, arguments.tokens));
    if (round == 0) continue;  // It reads the weights from the disk.
    bandwidth.push_back(read_per_s);
    for (size_t i = 0; i < peaks.size(); ++i) rates[i].push_back(peak_per_s[i]);
    prefill.push_back(gauge.prefill_tokens_per_s);
    decode.push_back(gauge.decode_tokens_per_s);
  }
  std::free(memory);
  const double token_operations = 2 * static_cast<double>(work.layer_weights);
  const double read_operations = Median(prefill) * token_operations;
  const double positions = static_cast<double>(arguments.prompt) + static_cast<double>(arguments.tokens) / 2;
  const double state =
      static_cast<double>(state_bytes) / static_cast<double>(std::min(arguments.prompt, kBatchTokensMax)) * positions;
  const double token_bytes = static_cast<double>(work.layer_bytes + work.output_bytes) + state;
  const double written_bytes = Median(decode) * token_bytes;
  std::printf("%zu threads, %zu tokens read, %zu written, the median of %zu rounds\n\n", arguments.threads,
              arguments.prompt, arguments.tokens, arguments.rounds);
  std::printf("| | the model | the machine | share |\n|---|---|---|---|\n");
  for (size_t i = 0; i < peaks.size(); ++i) {
    const double peak = Median(rates[i]);
    std::printf("| reading, %.0f tokens/s, beside %s | %.0f Gop/s | %.0f Gop/s | %.0f %% |\n", Median(prefill),
                peaks[i].name, read_operations / 1e9, peak / 1e9, 100 * read_operations / peak);
  }
  std::printf("| writing, %.1f tokens/s, beside reading memory | %.1f GB/s | %.1f GB/s | %.0f %% |\n", Median(decode),
              written_bytes / 1e9, Median(bandwidth) / 1e9, 100 * written_bytes / Median(bandwidth));
  std::printf("\nTPOT %.2f ms, and %.2f ms at the limit: %.1f MB of weights and %.1f MB of keys and values a token\n",
              1000 / Median(decode), 1000 * token_bytes / Median(bandwidth),
              static_cast<double>(work.layer_bytes + work.output_bytes) / 1e6, state / 1e6);
  return Status();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      arguments.model = name;
      continue;
    }
    if (++i == argc) break;
    const size_t number = std::strtoul(argv[i], nullptr, 10);
    if (name == "--kv") arguments.placement.kv_type = argv[i];
    if (name == "--threads") arguments.threads = number;
    if (name == "--write-threads") arguments.write_threads = std::min(number, arguments.threads);
    if (name == "--rounds") arguments.rounds = number;
    if (name == "--prompt") arguments.prompt = number;
    if (name == "--tokens") arguments.tokens = number;
  }
  if (arguments.model.empty() || arguments.threads == 0 || arguments.rounds == 0 || arguments.prompt == 0 ||
      arguments.tokens == 0) {
    std::fprintf(stderr, "usage: model_limits MODEL.gguf [--kv f16|q8_0] [--threads N] [--rounds 5] ...\n");
    return 2;
  }
  const Status status = Measure(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "model_limits: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
