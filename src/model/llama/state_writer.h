// SPDX-License-Identifier: Apache-2.0
//
// StateWriter writes saved states to their folder, and removes them, on a thread of its own: in the order in which it
// is told, so that a state that is removed while it is being written is gone in the end.
//
// Threads: the methods are called by one thread at a time. The destructor waits until all is done.
#ifndef RAGTIME_MODEL_LLAMA_STATE_WRITER_H_
#define RAGTIME_MODEL_LLAMA_STATE_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "model/llama/state_folder.h"

namespace ragtime {

using StateBytes = std::shared_ptr<const std::vector<std::byte>>;

class StateWriter {
 public:
  using WriteFile = std::function<Status(const StoredState& as, std::span<const std::byte> bytes)>;
  using RemoveFile = std::function<void(const StoredState& stored)>;

  // `bytes_max`: of states that are still to be written. `on_finished`, which may be empty, is called after each write.
  // All three functions are called on the writer's thread.
  StateWriter(WriteFile write, RemoveFile remove, size_t bytes_max, std::function<void()> on_finished = {});
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  ~StateWriter();

  // Returns the number by which Finished will name it. Waits where more than `bytes_max` would be under way.
  uint64_t Write(StoredState as, StateBytes bytes);
  void Remove(StoredState stored);
  // The writes that were finished since the last call, and whether they went well.
  std::vector<std::pair<uint64_t, bool>> Finished();

 private:
  struct Job {
    uint64_t number = 0;
    StoredState stored;
    StateBytes bytes;  // Null: the file is removed.
  };

  void Run();

  const WriteFile write_;
  const RemoveFile remove_;
  const size_t bytes_max_;
  const std::function<void()> on_finished_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable room_;
  std::deque<Job> jobs_;  // Guarded by mutex_, as all below.
  std::vector<std::pair<uint64_t, bool>> finished_;
  size_t bytes_ = 0;  // Under way.
  uint64_t numbers_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_STATE_WRITER_H_
