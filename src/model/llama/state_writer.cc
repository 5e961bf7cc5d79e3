// SPDX-License-Identifier: Apache-2.0
#include "model/llama/state_writer.h"

namespace ragtime {

StateWriter::StateWriter(WriteFile write, RemoveFile remove, size_t bytes_max, std::function<void()> on_finished)
    : write_(std::move(write)),
      remove_(std::move(remove)),
      bytes_max_(bytes_max),
      on_finished_(std::move(on_finished)),
      thread_([this] { Run(); }) {}

StateWriter::~StateWriter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

uint64_t StateWriter::Write(StoredState as, StateBytes bytes) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return bytes_ == 0 || bytes_ + bytes->size() <= bytes_max_; });
  bytes_ += bytes->size();
  const uint64_t number = ++numbers_;
  jobs_.push_back({number, std::move(as), std::move(bytes)});
  lock.unlock();
  wake_.notify_all();
  return number;
}

void StateWriter::Remove(StoredState stored) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back({0, std::move(stored), nullptr});
  }
  wake_.notify_all();
}

std::vector<std::pair<uint64_t, bool>> StateWriter::Finished() {
  std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void StateWriter::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    bool went_well = true;
    if (job.bytes != nullptr) {
      went_well = write_(job.stored, *job.bytes).ok();
    } else {
      remove_(job.stored);
    }
    lock.lock();
    if (job.bytes == nullptr) continue;
    finished_.emplace_back(job.number, went_well);
    bytes_ -= job.bytes->size();
    room_.notify_all();
    if (!on_finished_) continue;
    lock.unlock();
    on_finished_();
    lock.lock();
  }
}

}  // namespace ragtime
