// SPDX-License-Identifier: Apache-2.0
#include "model/llama/reading_memory.h"

namespace ragtime {
namespace {

constexpr int kSequence = 0;
constexpr int kSpareSequence = 1;

}  // namespace

Status ReadingMemory::Begin(int sequence, size_t held) {
  Clear();
  if (held == 0) return Status();
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::byte> state, shared_.SaveState(sequence));
  RAGTIME_RETURN_IF_ERROR(memory_.LoadState(kSequence, state));
  held_ = held;
  return Status();
}

Status ReadingMemory::Read(std::span<const Token> tokens, const std::function<bool()>& abort) {
  std::vector<BatchToken> batch;
  for (size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens[i], held_ + i, kSequence, false});
  const Status status = memory_.Compute(batch, abort);
  if (status.ok()) {
    held_ += tokens.size();
  } else {
    memory_.Forget(kSequence, held_);
  }
  return status;
}

Result<std::vector<std::byte>> ReadingMemory::Save(size_t start) {
  memory_.Share(kSequence, kSpareSequence, start, held_);
  Result<std::vector<std::byte>> state = memory_.SaveState(kSpareSequence);
  memory_.Forget(kSpareSequence, 0);
  return state;
}

void ReadingMemory::Clear() {
  memory_.Forget(kSequence, 0);
  held_ = 0;
}

}  // namespace ragtime
