// SPDX-License-Identifier: Apache-2.0
#include "ragtime/doctor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/files.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "engine/builtin.h"
#include "engine/embedders.h"
#include "engine/gguf_work.h"
#include "engine/model_tuning.h"
#include "engine/models.h"
#include "engine/number_formats.h"
#include "ragtime/knowledge_base.h"
#include "wire/http_client.h"
#include "wire/server_list.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr size_t kProbeBytes = 64 << 20;
constexpr uint64_t kMemoryBytesLeast = uint64_t{2} << 30;  // e5-small, SmolLM2 and their buffers take 0.7 GiB.
constexpr int64_t kProbeMs = 15000;                        // Of a store's server; a local one is started first.
constexpr double kWriteLeastMbPerS = 20;                   // Below it, commits are slower than embedding on two cores.

void ExamineCpu(std::vector<Finding>& findings) {
  std::string features;
  auto add = [&](bool has, const char* name) {
    if (has) features += StrCat(features.empty() ? "" : " ", name);
  };
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  const bool vnni = __builtin_cpu_supports("avx512vnni");
  const bool bf16 = __builtin_cpu_supports("avx512bf16");
  add(avx2, "AVX2");
  add(avx512, "AVX-512");
  add(vnni, "VNNI");
  add(bf16, "BF16");
  const Health health = avx2 ? Health::kGood : Health::kLimited;
  const std::string remedy = avx2 ? "" : "it works, slowly: a CPU with AVX2 computes several times faster";
#else
  add(true, "NEON");
  const Health health = Health::kGood;
  const std::string remedy;
#endif
  findings.push_back({"cpu", "vector instructions", health, features.empty() ? "none" : features, remedy});
  findings.push_back({"cpu", "cores", Health::kGood, StrCat(AvailableCores(), " for this process"), ""});
}

void ExamineThreads(const Config& config, std::vector<Finding>& findings) {
  const size_t cores = AvailableCores();
  const size_t threads = config.threads == 0 ? cores : config.threads;
  const bool fits = threads <= cores;
  findings.push_back({"cpu", "threads", fits ? Health::kGood : Health::kLimited,
                      StrCat(threads,
                             " for embedder, language model and ingestion together; an ingestion has those that "
                             "answers leave"),
                      fits ? "" : StrCat("set threads to at most ", cores, ": more wait for each other")});
}

void AddFormats(const std::string& area, const std::vector<NumberFormat>& formats, std::vector<Finding>& findings) {
  std::string native;
  std::string other;
  for (const NumberFormat& format : formats) {
    std::string& list = format.by.empty() ? other : native;
    list += StrCat(list.empty() ? "" : "; ", format.name, format.by.empty() ? "" : StrCat(" (", format.by, ")"));
  }
  findings.push_back(
      {area, "number formats", Health::kGood, StrCat("native: ", native, "; converted first: ", other), ""});
}

void ExamineFormats(std::vector<Finding>& findings) {
  std::ifstream file("/proc/cpuinfo");
  const std::string cpuinfo((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  AddFormats("cpu", FormatsOfCpu(cpuinfo), findings);
  for (const Gpu& gpu : FindGpus()) {
    const bool used = BuiltForGpus();
    findings.push_back({"gpu", gpu.name, used ? Health::kGood : Health::kLimited,
                        StrCat(gpu.memory_bytes >> 20, " MiB, compute capability ", gpu.capability / 10, ".",
                               gpu.capability % 10, used ? "" : "; this build does not use it"),
                        used ? "" : "build with tools/setup.sh --cuda"});
    AddFormats("gpu", FormatsOfGpu(gpu.capability), findings);
  }
}

void ExamineMemory(std::vector<Finding>& findings) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  std::string unit;
  uint64_t available = 0;
  while (file >> key >> kib && std::getline(file, unit)) {
    if (key == "MemAvailable:") available = kib << 10;
  }
  const bool enough = available >= kMemoryBytesLeast;
  findings.push_back({"memory", "available", enough ? Health::kGood : Health::kLimited, StrCat(available >> 20, " MiB"),
                      enough ? "" : "free some memory, or use answer: {mode: extract}, which loads no language model"});
}

void ExamineDisk(const fs::path& near, std::vector<Finding>& findings) {
  std::error_code error;
  fs::path folder = fs::absolute(near.empty() ? fs::path(".") : near, error);
  while (!folder.empty() && folder != folder.root_path() && !fs::is_directory(folder, error))
    folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  if (!error) {
    const bool enough = space.available > (uint64_t{1} << 30);
    findings.push_back({"disk", "free space", enough ? Health::kGood : Health::kLimited,
                        StrCat(space.available >> 20, " MiB at ", folder.string()),
                        enough ? "" : "free some space: a knowledge base takes about 3 KiB for each node"});
  }
  const fs::path probe = folder / StrCat(".ragtime-doctor-", ::getpid());
  const std::string block(kProbeBytes, '\x5a');
  const Stopwatch writing;
  const Status written = WriteFileDurably(probe, std::as_bytes(std::span(block)));
  const double write_ms = writing.ElapsedMs();
  if (!written.ok()) {
    fs::remove(probe, error);
    findings.push_back({"disk", "writing", Health::kMissing, written.message(), written.remedy()});
    return;
  }
  // Out of the page cache first, so that the disk is read.
  const int fd = ::open(probe.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
  const Stopwatch reading;
  const bool read = ReadFile(probe).ok();
  const double read_ms = reading.ElapsedMs();
  fs::remove(probe, error);
  const double megabytes = static_cast<double>(kProbeBytes) / 1e6;
  const double write_speed = megabytes / (write_ms / 1000);
  findings.push_back({"disk", "speed", write_speed >= kWriteLeastMbPerS ? Health::kGood : Health::kLimited,
                      StrCat(static_cast<int>(write_speed), " MB/s written and synced",
                             read ? StrCat(", ", static_cast<int>(megabytes / (read_ms / 1000)), " MB/s read") : ""),
                      write_speed >= kWriteLeastMbPerS ? "" : "put the knowledge base on a faster disk"});
}

void ExamineModels(const Config& config, std::vector<Finding>& findings) {
  Config probed = config;
  probed.embed.timeout_ms = std::min<int64_t>(config.embed.timeout_ms, 5000);
  const auto embedder = MakeEmbedder(probed);
  if (embedder.ok()) {
    findings.push_back({"model", config.embed.model, Health::kGood,
                        StrCat("embedder, ", (*embedder)->info().dimension, " dimensions"), ""});
  } else {
    findings.push_back(
        {"model", config.embed.model, Health::kMissing, embedder.status().message(), embedder.status().remedy()});
  }
  for (const auto& [key, embed] : config.embedders) {
    const Config one = ConfigOfEmbedder(probed, key);
    const auto keyed = MakeEmbedder(one);
    if (keyed.ok()) {
      findings.push_back({"model", embed.model, Health::kGood,
                          StrCat("embedder ", key, ", ", (*keyed)->info().dimension, " dimensions"), ""});
    } else {
      findings.push_back({"model", embed.model, Health::kMissing,
                          StrCat("embedder ", key, ": ", keyed.status().message()), keyed.status().remedy()});
    }
  }
  if (config.embed.api == "local") {
    const Status batch = ProbeBatchEncoder(config);
    findings.push_back({"model", "batch embedding", batch.ok() ? Health::kGood : Health::kLimited,
                        batch.ok() ? "OpenVINO is there" : batch.message(), batch.remedy()});
  }
  if (config.llm.api != "local") return;
  const auto path = FindModel(config, config.llm.model);
  if (path.ok()) {
    findings.push_back({"model", config.llm.model, Health::kGood, StrCat("language model at ", path->string()), ""});
    const std::optional<KeptTuning> tuning = FindTuning(*path);
    findings.push_back(
        {"model", "threads of the language model", Health::kGood,
         config.threads != 0 ? StrCat(config.threads, ", as the configuration says")
         : tuning ? StrCat("writes with ", tuning->threads, ", reads with ", tuning->read_threads, " in batches of ",
                           tuning->batch_tokens, "; measured on this machine")
                  : StrCat("one per core; ragtime models tune ", config.llm.model, " measures what is fastest"),
         ""});
  } else {
    findings.push_back({"model", config.llm.model, Health::kLimited, path.status().message(),
                        StrCat(path.status().remedy(), "; until then answers are extracted")});
  }
}

// One finding for each address of a list.
void ExamineServers(const std::string& base_urls, std::string_view key, std::vector<Finding>& findings) {
  const Result<std::vector<std::string>> urls = ServerList::ParseUrls(base_urls, key);
  if (!urls.ok()) {
    findings.push_back({"server", base_urls, Health::kMissing, urls.status().message(), urls.status().remedy()});
    return;
  }
  bool others = false;
  for (const std::string& url : *urls) {
    const Status status = ProbeServer(url);
    // With another one to answer in its place, one that is down is no more than a limit.
    const Health down = urls->size() > 1 ? Health::kLimited : Health::kMissing;
    findings.push_back({"server", UrlForMessages(url), status.ok() ? Health::kGood : down,
                        status.ok() ? "answers" : status.message(), status.remedy()});
    others = others || status.ok();
  }
  if (!others) findings.back().health = Health::kMissing;
}

void ExamineServer(const Config& config, std::vector<Finding>& findings) {
  if (config.llm.api == "openai") ExamineServers(config.llm.base_url, "llm.base_url", findings);
  if (config.embed.api == "openai") ExamineServers(config.embed.base_url, "embed.base_url", findings);
  for (const auto& [key, embed] : config.embedders) {
    if (embed.api == "openai") ExamineServers(embed.base_url, StrCat("embedders.", key, ".base_url"), findings);
  }
  if (config.rerank.type == "remote") ExamineServers(config.rerank.base_url, "rerank.base_url", findings);
}

void ExamineCache(const Config& config, std::vector<Finding>& findings) {
  if (config.cache.type == "none" || config.cache.type == "memory") return;
  const Status status = ProbeCache(config);
  // Everything works without it, only not as fast.
  findings.push_back({"cache", config.cache.type, status.ok() ? Health::kGood : Health::kLimited,
                      status.ok() ? "answers" : status.message(), status.remedy()});
}

void ExamineStore(const Config& config, std::vector<Finding>& findings) {
  Context context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kProbeMs);
  const Result<StoreProbe> probe = ProbeStore(context, config);
  const std::string uri = UrlForMessages(config.store.uri);
  if (!probe.ok()) {
    const Status& status = probe.status();
    const Health health = status.code() == StatusCode::kNotFound ? Health::kLimited : Health::kMissing;
    findings.push_back({"store", StrCat(config.store.type, " ", uri), health, status.message(),
                        status.remedy().empty() ? "start the server, or correct store_conf.kwargs.uri and token_env"
                                                : status.remedy()});
    return;
  }
  if (probe->server.empty()) return;
  std::array<char, 32> latency{};
  std::snprintf(latency.data(), latency.size(), "%.1f", probe->answer_ms);
  findings.push_back({"store", probe->server, Health::kGood,
                      StrCat("version ", probe->version, ", answers in ", latency.data(), " ms"), ""});
  const std::string& name = config.store_server.name;
  const Status& found = probe->knowledge_base;
  if (found.ok()) {
    findings.push_back({"knowledge base", name, Health::kGood,
                        StrCat(probe->statistics.nodes, " nodes of ", probe->statistics.files, " files"), ""});
  } else if (found.code() == StatusCode::kNotFound) {
    findings.push_back({"knowledge base", name, Health::kLimited, "not there yet", "ragtime ingest makes it"});
  } else {
    findings.push_back({"knowledge base", name, Health::kMissing, found.message(), found.remedy()});
  }
}

void ExamineKnowledgeBase(const Config& config, std::vector<Finding>& findings) {
  if (config.store.uri.empty() || config.store.type != "ragtime") return;
  auto knowledge_base = KnowledgeBase::Open(config, /*must_exist=*/true);
  if (!knowledge_base.ok()) {
    const Status& status = knowledge_base.status();
    findings.push_back({"knowledge base", config.store.uri, Health::kMissing, status.message(), status.remedy()});
    return;
  }
  const auto statistics = (*knowledge_base)->Statistics();
  if (!statistics.ok()) {
    findings.push_back({"knowledge base", config.store.uri, Health::kMissing, statistics.status().message(),
                        statistics.status().remedy()});
    return;
  }
  findings.push_back({"knowledge base", config.store.uri, Health::kGood,
                      StrCat(statistics->store.nodes, " nodes of ", statistics->store.files, " files"), ""});
}

}  // namespace

std::vector<Finding> Examine(const Config& config) {
  std::vector<Finding> findings;
  ExamineCpu(findings);
  ExamineThreads(config, findings);
  ExamineFormats(findings);
  ExamineMemory(findings);
  ExamineDisk(config.store.uri, findings);
  ExamineModels(config, findings);
  ExamineServer(config, findings);
  ExamineCache(config, findings);
  ExamineStore(config, findings);
  ExamineKnowledgeBase(config, findings);
  return findings;
}

}  // namespace ragtime
