// SPDX-License-Identifier: Apache-2.0
//
// Compares the encoders of a model folder on the same random tokens: tokens per second of wall and of processor time,
// the latter because it holds on a busy machine too, and how near the vectors are to the first encoder's.
//
//   encoder_bench MODEL_FOLDER [SEQUENCES [TOKENS_MEAN [THREADS [ROUNDS]]]]
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "model/local/bert_encoder.h"
#include "model/openvino/openvino_encoder.h"

namespace ragtime {
namespace {

double ProcessorMs() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

struct Sizes {
  size_t sequences = 64;
  size_t tokens_mean = 225;
  size_t threads = 2;
  size_t rounds = 5;
};

// Lengths from 60 to 140 % of the mean, longest first, as an embedder hands them over.
std::vector<std::vector<int32_t>> RandomSequences(const Sizes& sizes, size_t max_tokens, size_t vocabulary) {
  std::mt19937 random(1);
  std::vector<std::vector<int32_t>> sequences(sizes.sequences);
  for (size_t i = 0; i < sizes.sequences; ++i) {
    const size_t length = sizes.tokens_mean * (140 * sizes.sequences - 80 * i) / (100 * sizes.sequences);
    sequences[i].resize(std::clamp<size_t>(length, 3, max_tokens));
    for (int32_t& id : sequences[i]) id = static_cast<int32_t>(random() % vocabulary);
  }
  return sequences;
}

double LowestCosine(const std::vector<float>& a, const std::vector<float>& b, size_t dimension) {
  double lowest = 1;
  for (size_t i = 0; i < a.size(); i += dimension) {
    double product = 0;
    double squares_a = 0;
    double squares_b = 0;
    for (size_t k = i; k < i + dimension; ++k) {
      product += static_cast<double>(a[k]) * b[k];
      squares_a += static_cast<double>(a[k]) * a[k];
      squares_b += static_cast<double>(b[k]) * b[k];
    }
    lowest = std::min(lowest, product / std::sqrt(squares_a * squares_b));
  }
  return lowest;
}

std::vector<std::unique_ptr<Encoder>> OpenAll(const std::filesystem::path& folder,
                                              const std::shared_ptr<const BertModel>& model, const Sizes& sizes) {
  std::vector<std::unique_ptr<Encoder>> encoders;
  const auto add = [&](const char* name, const Stopwatch& watch, Result<std::unique_ptr<Encoder>> encoder) {
    std::printf("%-24s opened in %.1f ms%s\n", name, watch.ElapsedMs(),
                encoder.ok() ? "" : (": " + encoder.status().ToString()).c_str());
    if (encoder.ok()) encoders.push_back(*std::move(encoder));
  };
  for (const BertKernels* kernels : SupportedBertKernels()) {
    const Stopwatch watch;
    add(kernels->name.data(), watch, MakeBertEncoder(model, {.threads = sizes.threads, .kernels = kernels->name}));
  }
  const auto cache = std::filesystem::temp_directory_path() / "ragtime_encoder_bench";
  for (const char* precision : {"bf16", "f32", "int8"}) {
    const Stopwatch watch;
    add(precision, watch,
        OpenOpenVinoEncoder({folder / "encoder.xml", model->input(), cache, precision, sizes.threads}));
  }
  return encoders;
}

int Run(const std::filesystem::path& folder, const Sizes& sizes) {
  const auto model = BertModel::Open(folder / "encoder.gguf");
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.status().ToString().c_str());
    return 1;
  }
  const auto encoders = OpenAll(folder, *model, sizes);
  const auto sequences = RandomSequences(sizes, (*model)->input()->max_tokens(), (*model)->input()->vocabulary_size());
  size_t tokens = 0;
  for (const auto& ids : sequences) tokens += ids.size();
  const size_t dimension = (*model)->dimension();
  std::vector<float> reference;
  for (size_t round = 0; round < sizes.rounds; ++round) {
    for (const auto& encoder : encoders) {
      std::vector<float> out(sequences.size() * dimension);
      const double processor_before = ProcessorMs();
      const Stopwatch watch;
      const Status status = encoder->Encode({}, sequences, out.data());
      const double wall = watch.ElapsedMs();
      const double processor = ProcessorMs() - processor_before;
      if (!status.ok()) {
        std::fprintf(stderr, "%s\n", status.ToString().c_str());
        return 1;
      }
      if (reference.empty()) reference = out;
      std::printf("%-26s %9.2f ms %8.0f tokens/s %8.0f tokens/processor-s, cosine >= %.4f\n",
                  encoder->info().engine.c_str(), wall, static_cast<double>(tokens) / wall * 1e3,
                  static_cast<double>(tokens) / processor * 1e3, LowestCosine(out, reference, dimension));
    }
  }
  return 0;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: encoder_bench MODEL_FOLDER [SEQUENCES [TOKENS_MEAN [THREADS [ROUNDS]]]]\n");
    return 2;
  }
  ragtime::Sizes sizes;
  size_t* const fields[] = {&sizes.sequences, &sizes.tokens_mean, &sizes.threads, &sizes.rounds};
  for (int i = 2; i < argc && i < 6; ++i) *fields[i - 2] = std::max(1ul, std::strtoul(argv[i], nullptr, 10));
  return ragtime::Run(argv[1], sizes);
}
