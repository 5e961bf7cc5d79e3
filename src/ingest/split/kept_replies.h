// SPDX-License-Identifier: Apache-2.0
//
// KeptReplies is a generator that keeps what another one replied, as files, and gives it again for the same request: a
// summary costs seconds of a language model, and a document is read again whenever its groups are declared in another
// way.
//
// Threads: may be called concurrently. Errors: those of the other generator; a folder that cannot be read or written
// costs the reuse and nothing else. The folder can be deleted at any time.
#ifndef RAGTIME_INGEST_SPLIT_KEPT_REPLIES_H_
#define RAGTIME_INGEST_SPLIT_KEPT_REPLIES_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ragtime/generator.h"

namespace ragtime {

class KeptReplies final : public Generator {
 public:
  // When the files of `folder` exceed `size_bytes_max` together, those used longest ago go. The folder is made with the
  // first reply.
  KeptReplies(std::shared_ptr<Generator> generator, std::filesystem::path folder,
              uint64_t size_bytes_max = uint64_t{64} << 20);

  const GeneratorInfo& info() const override { return generator_->info(); }
  size_t CountTokens(std::string_view text) const override { return generator_->CountTokens(text); }
  // A kept reply has zeros for its tokens and times. What was sampled, written in JSON, cut off or empty is not
  // kept.
  Result<GenerationResult> Generate(const Context& context, const GenerationRequest& request,
                                    const OnToken& on_token) override;
  GeneratorStatistics statistics() const override { return generator_->statistics(); }

  uint64_t given_again() const { return given_again_; }

 private:
  std::filesystem::path PathOf(const GenerationRequest& request) const;
  void Keep(const std::filesystem::path& path, std::string_view text);
  void MakeRoom();

  const std::shared_ptr<Generator> generator_;
  const std::filesystem::path folder_;
  const uint64_t size_bytes_max_;
  std::atomic<uint64_t> given_again_ = 0;
  std::mutex mutex_;
  std::optional<uint64_t> size_bytes_;  // Of all files, guarded by mutex_; not known before the first is kept.
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_KEPT_REPLIES_H_
