// SPDX-License-Identifier: Apache-2.0
//
// Which number formats a processor computes with natively, that is, multiplies and adds without converting first.
#ifndef RAGTIME_ENGINE_NUMBER_FORMATS_H_
#define RAGTIME_ENGINE_NUMBER_FORMATS_H_

#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

struct NumberFormat {
  std::string name;  // "FP32", "TF32", "BF16", "FP16", "FP8", "INT8", "INT4"
  std::string by;    // The instructions that do it; "": not native.
};

// `cpuinfo` is the text of /proc/cpuinfo, whose flags are those that the system lets programs use.
std::vector<NumberFormat> FormatsOfCpu(std::string_view cpuinfo);
// Of an NVIDIA GPU by its compute capability, 90 for 9.0.
std::vector<NumberFormat> FormatsOfGpu(int capability);

struct Gpu {
  std::string name;
  int capability = 0;
  size_t memory_bytes = 0;
};
// The NVIDIA GPUs that the driver shows this process; none where there is no driver.
std::vector<Gpu> FindGpus();

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_NUMBER_FORMATS_H_
