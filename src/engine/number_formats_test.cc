// SPDX-License-Identifier: Apache-2.0
//
// Goal: what is said to be native is, by the flags of real processors and the capabilities of real GPUs.
#include "engine/number_formats.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

namespace ragtime {
namespace {

std::map<std::string, std::string> MapOf(const std::vector<NumberFormat>& formats) {
  std::map<std::string, std::string> map;
  for (const NumberFormat& format : formats) map[format.name] = format.by;
  EXPECT_EQ(map.size(), 7u);
  return map;
}

TEST(NumberFormatsTest, ReadsTheFlagsOfProcessors) {
  const auto sapphire_rapids = MapOf(FormatsOfCpu(
      "processor\t: 0\nflags\t\t: fpu sse sse2 fma f16c avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 avx512_fp16 "
      "amx_tile amx_int8\nbugs\t\t: spectre_v1\n"));
  EXPECT_EQ(sapphire_rapids.at("FP32"), "AVX-512, FMA, SSE");
  EXPECT_EQ(sapphire_rapids.at("BF16"), "AMX, AVX-512");
  EXPECT_EQ(sapphire_rapids.at("FP16"), "AVX-512");
  EXPECT_EQ(sapphire_rapids.at("INT8"), "AMX, AVX-512 VNNI");
  for (const char* none : {"TF32", "FP8", "INT4"}) EXPECT_EQ(sapphire_rapids.at(none), "") << none;
  // f16c converts and does not compute.
  const auto haswell = MapOf(FormatsOfCpu("processor\t: 0\nflags\t\t: fpu sse sse2 fma f16c avx2\nbugs\t: amx_int8\n"));
  EXPECT_EQ(haswell.at("FP32"), "FMA, SSE");
  for (const char* none : {"BF16", "FP16", "INT8"}) EXPECT_EQ(haswell.at(none), "") << none;
  const auto graviton = MapOf(FormatsOfCpu("processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp i8mm bf16\n"));
  EXPECT_EQ(graviton.at("FP32"), "NEON");
  EXPECT_EQ(graviton.at("BF16"), "Arm BF16");
  EXPECT_EQ(graviton.at("INT8"), "Arm I8MM, Arm dot product");
  MapOf(FormatsOfCpu(""));
}

TEST(NumberFormatsTest, KnowsTheGenerationsOfGpus) {
  EXPECT_EQ(MapOf(FormatsOfGpu(61)).at("FP16"), "CUDA cores");
  EXPECT_EQ(MapOf(FormatsOfGpu(61)).at("INT8"), "CUDA cores");
  EXPECT_EQ(MapOf(FormatsOfGpu(75)).at("BF16"), "");
  EXPECT_EQ(MapOf(FormatsOfGpu(80)).at("TF32"), "tensor cores");
  EXPECT_EQ(MapOf(FormatsOfGpu(86)).at("FP8"), "");
  EXPECT_EQ(MapOf(FormatsOfGpu(86)).at("INT4"), "tensor cores");
  EXPECT_EQ(MapOf(FormatsOfGpu(90)).at("FP8"), "tensor cores");
  EXPECT_EQ(MapOf(FormatsOfGpu(90)).at("INT4"), "");
}

TEST(NumberFormatsTest, SaysOfThisProcessorWhatItsFlagsSay) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto formats = MapOf(FormatsOfCpu(text));
  EXPECT_NE(formats.at("FP32"), "");
#if defined(__x86_64__)
  EXPECT_EQ(formats.at("INT8").find("AVX-512 VNNI") != std::string::npos, __builtin_cpu_supports("avx512vnni") != 0);
#endif
}

}  // namespace
}  // namespace ragtime
