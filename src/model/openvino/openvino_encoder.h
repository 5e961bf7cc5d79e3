// SPDX-License-Identifier: Apache-2.0
//
// An encoder that OpenVINO runs. OpenVINO is not linked but loaded at the first use, from libragtime_openvino.so beside
// the program: its libraries cost every start 30 ms, and a search does not need them.
//
// Threads: Encode may be called concurrently; calls wait for each other.
// Errors: kUnavailable where the library is missing; kDataLoss for a graph that OpenVINO cannot read.
#ifndef RAGTIME_MODEL_OPENVINO_OPENVINO_ENCODER_H_
#define RAGTIME_MODEL_OPENVINO_OPENVINO_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "model/encoder.h"
#include "ragtime/status.h"

namespace ragtime {

struct OpenVinoEncoderOptions {
  // Inputs `embeddings` f32 [B, T, dimension] and `mask` f32 [B, T], output f32 [B, dimension], not normalised.
  std::filesystem::path graph;
  std::shared_ptr<const InputTable> input;  // What fills `embeddings`.
  std::filesystem::path cache_folder;       // Of compiled graphs; empty: compile at each start, which takes seconds.
  std::string precision = "auto";  // auto (bf16 where the processor computes in it, else f32) | bf16 | f32 | int8
  size_t threads = 0;              // 0: one per core.
};

Result<std::unique_ptr<Encoder>> OpenOpenVinoEncoder(const OpenVinoEncoderOptions& options);

// The one symbol of libragtime_openvino.so. `interface` is kOpenVinoModuleInterface of the caller; a library of another
// build refuses. Null and a status on failure; the caller owns the encoder.
inline constexpr uint32_t kOpenVinoModuleInterface = 1;
inline constexpr char kOpenVinoModuleSymbol[] = "RagtimeMakeOpenVinoEncoder";
using MakeOpenVinoEncoder = Encoder*(uint32_t interface, const OpenVinoEncoderOptions& options, Status& status);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENVINO_OPENVINO_ENCODER_H_
