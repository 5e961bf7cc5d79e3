// SPDX-License-Identifier: Apache-2.0
//
// ReadAhead reads and splits files on a thread pool, some ahead of the caller, and hands them over in their order.
//
// Threads: Take is called by one thread, not one of the pool's. The destructor waits for what was begun.
#ifndef RAGTIME_INGEST_READ_AHEAD_H_
#define RAGTIME_INGEST_READ_AHEAD_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "ingest/changes.h"
#include "ingest/fields.h"
#include "ingest/node_groups.h"
#include "ragtime/context.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

struct ReadLimits {
  uint64_t file_bytes_max = 0;       // A larger file fails.
  uint64_t text_bytes_max = 0;       // So does one with more text.
  uint64_t in_flight_bytes_max = 0;  // Of source files read but not taken; one file alone may be larger.
};

struct ReadFileResult {
  Status status;          // Why there are no nodes.
  bool was_read = false;  // The bytes were; they may still be no document.
  uint64_t size_bytes = 0;
  std::string content_hash;  // Of what was read.
  std::string encoding;
  std::vector<Node> nodes;
  bool complete = true;  // As MadeNodes has it.
  std::vector<std::string> group_warnings;
  DocumentFields fields;
  std::vector<std::string> warnings;
  double elapsed_ms = 0;
};

class ReadAhead {
 public:
  // Everything must outlive the ReadAhead.
  ReadAhead(const Context& context, const std::vector<FileToRead>& files, const NodeGroups& groups,
            const FieldReader& fields, const ReadLimits& limits, ThreadPool& pool);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead();

  // The next file's result; called once per file.
  ReadFileResult Take();

 private:
  struct Slot {
    bool done = false;
    ReadFileResult result;
  };

  void Begin(size_t index);

  const Context& context_;
  const std::vector<FileToRead>& files_;
  const NodeGroups& groups_;
  const FieldReader& fields_;
  const ReadLimits limits_;
  ThreadPool& pool_;
  size_t next_taken_ = 0;
  size_t next_begun_ = 0;
  uint64_t in_flight_bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable done_;
  std::deque<std::shared_ptr<Slot>>
      slots_;              // Of next_taken_, next_taken_ + 1 ...; their contents are guarded by mutex_.
  size_t running_ = 0;     // Guarded by mutex_.
  bool stopping_ = false;  // Guarded by mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_AHEAD_H_
