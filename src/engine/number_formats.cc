// SPDX-License-Identifier: Apache-2.0
#include "engine/number_formats.h"

#include <dlfcn.h>

#include <algorithm>
#include <initializer_list>
#include <set>

namespace ragtime {
namespace {

// The flags of the first processor: "flags : fpu ..." of x86, "Features : fp asimd ..." of Arm.
std::set<std::string, std::less<>> FlagsOf(std::string_view cpuinfo) {
  size_t line = cpuinfo.find("\nflags");
  if (line == std::string_view::npos) line = cpuinfo.find("\nFeatures");
  std::set<std::string, std::less<>> flags;
  if (line == std::string_view::npos) return flags;
  const size_t colon = cpuinfo.find(':', line);
  if (colon == std::string_view::npos) return flags;
  std::string_view rest = cpuinfo.substr(colon + 1);
  rest = rest.substr(0, rest.find('\n'));
  while (!rest.empty()) {
    const size_t space = std::min(rest.find(' '), rest.size());
    if (space > 0) flags.emplace(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  return flags;
}

// What the driver's library gives; it is asked by name, so that no build needs CUDA for it.
struct Driver {
  int (*init)(unsigned) = nullptr;
  int (*count)(int*) = nullptr;
  int (*get)(int*, int) = nullptr;
  int (*name)(char*, int, int) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*memory)(size_t*, int) = nullptr;
};

template <typename Function>
bool Load(void* library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, symbol));
  return function != nullptr;
}

}  // namespace

std::vector<NumberFormat> FormatsOfCpu(std::string_view cpuinfo) {
  const auto flags = FlagsOf(cpuinfo);
  struct Instruction {
    const char* flag;
    const char* name;
  };
  const auto by = [&flags](std::initializer_list<Instruction> instructions) {
    std::string names;
    for (const Instruction& instruction : instructions) {
      if (flags.contains(instruction.flag)) names += (names.empty() ? "" : ", ") + std::string(instruction.name);
    }
    return names;
  };
  return {
      {"FP32", by({{"avx512f", "AVX-512"}, {"fma", "FMA"}, {"sse", "SSE"}, {"asimd", "NEON"}})},
      {"TF32", ""},
      {"BF16", by({{"amx_bf16", "AMX"}, {"avx512_bf16", "AVX-512"}, {"bf16", "Arm BF16"}})},
      {"FP16", by({{"amx_fp16", "AMX"}, {"avx512_fp16", "AVX-512"}, {"asimdhp", "Arm FP16"}})},
      {"FP8", ""},
      {"INT8", by({{"amx_int8", "AMX"},
                   {"avx512_vnni", "AVX-512 VNNI"},
                   {"avx_vnni", "AVX-VNNI"},
                   {"i8mm", "Arm I8MM"},
                   {"asimddp", "Arm dot product"}})},
      {"INT4", ""},
  };
}

std::vector<NumberFormat> FormatsOfGpu(int capability) {
  const auto tensor = [capability](int least) { return std::string(capability >= least ? "tensor cores" : ""); };
  return {
      {"FP32", "CUDA cores"},
      {"TF32", tensor(80)},
      {"BF16", tensor(80)},
      {"FP16", capability >= 70   ? "tensor cores"
               : capability >= 53 ? "CUDA cores"
                                  : ""},
      {"FP8", tensor(89)},
      {"INT8", capability >= 72   ? "tensor cores"
               : capability >= 61 ? "CUDA cores"
                                  : ""},
      // Of Turing, Ampere and Ada; Hopper has none.
      {"INT4", capability >= 75 && capability < 90 ? "tensor cores" : ""},
  };
}

std::vector<Gpu> FindGpus() {
  std::vector<Gpu> gpus;
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return gpus;
  Driver driver;
  int count = 0;
  const bool works = Load(library, "cuInit", driver.init) && Load(library, "cuDeviceGetCount", driver.count) &&
                     Load(library, "cuDeviceGet", driver.get) && Load(library, "cuDeviceGetName", driver.name) &&
                     Load(library, "cuDeviceGetAttribute", driver.attribute) &&
                     Load(library, "cuDeviceTotalMem_v2", driver.memory) && driver.init(0) == 0 &&
                     driver.count(&count) == 0;
  constexpr int kCapabilityMajor = 75;  // CUdevice_attribute
  constexpr int kCapabilityMinor = 76;
  for (int i = 0; works && i < count; ++i) {
    int device = 0;
    char name[256] = {};
    int major = 0;
    int minor = 0;
    Gpu gpu;
    if (driver.get(&device, i) != 0 || driver.name(name, sizeof(name) - 1, device) != 0 ||
        driver.attribute(&major, kCapabilityMajor, device) != 0 ||
        driver.attribute(&minor, kCapabilityMinor, device) != 0 || driver.memory(&gpu.memory_bytes, device) != 0) {
      continue;
    }
    gpu.name = name;
    gpu.capability = 10 * major + minor;
    gpus.push_back(std::move(gpu));
  }
  // The library stays loaded: where llama.cpp was built for GPUs it is in use.
  return gpus;
}

}  // namespace ragtime
