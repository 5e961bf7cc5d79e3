// SPDX-License-Identifier: Apache-2.0
//
// ServerMetrics counts what a server does, and prints it as Prometheus reads it (text format 0.0.4).
//
// Threads: every method may be called concurrently.
#ifndef RAGTIME_SERVER_METRICS_H_
#define RAGTIME_SERVER_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "ragtime/knowledge_base.h"

namespace ragtime {

class ServerMetrics {
 public:
  void CountRequest(const std::string& path, int code, double seconds);
  // `first_s`: from the request to the first piece of the answer, negative where there was none.
  void CountAnswer(const Answer& answer, double first_s);
  std::string Print(const GeneratorStatistics& generator, const ThreadStatistics& threads,
                    size_t requests_running) const;

 private:
  // Seconds.
  static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   30};
  struct Histogram {
    std::array<uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
    void Add(double seconds);
  };
  static void Append(std::string& out, const char* name, const char* help, const Histogram& histogram);

  mutable std::mutex mutex_;
  // All guarded by mutex_.
  std::map<std::pair<std::string, int>, uint64_t> requests_;  // By path and code.
  std::map<std::string, uint64_t> answers_;                   // By mode.
  uint64_t not_found_ = 0;
  Histogram duration_;
  Histogram first_;
  Histogram per_token_;
  Histogram queue_;
};

}  // namespace ragtime

#endif  // RAGTIME_SERVER_METRICS_H_
