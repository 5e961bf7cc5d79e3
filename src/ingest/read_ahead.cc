// SPDX-License-Identifier: Apache-2.0
#include "ingest/read_ahead.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr std::string_view kSplitTheFile = "split the file into smaller ones";

ReadFileResult ReadOne(const Context& context, const ScannedFile& file, const NodeGroups& groups,
                       const FieldReader& fields, const ReadLimits& limits) {
  ReadFileResult result;
  result.size_bytes = file.size_bytes;
  if (file.size_bytes > limits.file_bytes_max) {
    result.status = ResourceExhaustedError(
        StrCat("the file is larger than the limit of ", limits.file_bytes_max, " bytes: ", file.size_bytes),
        std::string(kSplitTheFile));
    return result;
  }
  Result<std::string> bytes = ReadFile(file.path, limits.file_bytes_max);
  if (!bytes.ok()) {
    result.status = bytes.status();
    return result;
  }
  result.was_read = true;
  result.size_bytes = bytes->size();
  result.content_hash = HashHex(*bytes);
  Result<Document> document = file.reader->Read(*bytes);
  if (!document.ok()) {
    result.status = document.status();
    return result;
  }
  *bytes = std::string();  // Not needed any more, and memory is counted in files.
  result.encoding = document->encoding;
  result.warnings = std::move(document->warnings);
  if (document->text.size() > limits.text_bytes_max) {
    result.status = ResourceExhaustedError(StrCat("the file's text is larger than the limit of ", limits.text_bytes_max,
                                                  " bytes: ", document->text.size()),
                                           std::string(kSplitTheFile));
    return result;
  }
  Result<MadeNodes> made = groups.Make(context, *document);
  if (made.ok()) {
    result.nodes = std::move(made->nodes);
    result.complete = made->complete;
    result.group_warnings = std::move(made->warnings);
    result.fields = fields.Read(file.fields, document->front_matter);
  } else {
    result.status = made.status();
  }
  return result;
}

}  // namespace

ReadAhead::ReadAhead(const Context& context, const std::vector<FileToRead>& files, const NodeGroups& groups,
                     const FieldReader& fields, const ReadLimits& limits, ThreadPool& pool)
    : context_(context), files_(files), groups_(groups), fields_(fields), limits_(limits), pool_(pool) {}

ReadAhead::~ReadAhead() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  done_.wait(lock, [this] { return running_ == 0; });
}

ReadFileResult ReadAhead::Take() {
  // A few files for each thread are enough to keep them busy, however small they are.
  const size_t ahead_max = 4 * pool_.size() + 4;
  while (next_begun_ < files_.size() && next_begun_ - next_taken_ < ahead_max &&
         (next_begun_ == next_taken_ ||
          in_flight_bytes_ + files_[next_begun_].file.size_bytes <= limits_.in_flight_bytes_max)) {
    Begin(next_begun_++);
  }
  const std::shared_ptr<Slot> slot = slots_.front();
  slots_.pop_front();
  in_flight_bytes_ -= files_[next_taken_++].file.size_bytes;
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return slot->done; });
  return std::move(slot->result);
}

void ReadAhead::Begin(size_t index) {
  auto slot = std::make_shared<Slot>();
  slots_.push_back(slot);
  in_flight_bytes_ += files_[index].file.size_bytes;
  {
    std::lock_guard lock(mutex_);
    ++running_;
  }
  pool_.Submit([this, slot, file = &files_[index].file] {
    Stopwatch stopwatch;
    ReadFileResult result;
    bool stopping;
    {
      std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    if (stopping || !context_.Check().ok()) {
      result.status = CancelledError("the ingestion was cancelled");
    } else {
      try {
        result = ReadOne(context_, *file, groups_, fields_, limits_);
      } catch (const std::exception& error) {
        result = {};
        result.status = ResourceExhaustedError(StrCat("the file needs more memory than there is: ", error.what()),
                                               std::string(kSplitTheFile));
      }
    }
    result.elapsed_ms = stopwatch.ElapsedMs();
    std::lock_guard lock(mutex_);
    slot->result = std::move(result);
    slot->done = true;
    --running_;
    done_.notify_all();
  });
}

}  // namespace ragtime
