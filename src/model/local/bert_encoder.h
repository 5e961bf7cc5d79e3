// SPDX-License-Identifier: Apache-2.0
//
// BertEncoder runs a BertModel with our own kernels: open in about a millisecond, no compilation, no unpacked copy of
// the weights (docs/embedding.md has the measurements that chose it).
//
// Threads: Encode may be called concurrently. Errors: see Encoder.
#ifndef RAGTIME_MODEL_LOCAL_BERT_ENCODER_H_
#define RAGTIME_MODEL_LOCAL_BERT_ENCODER_H_

#include <memory>
#include <string_view>

#include "base/thread_budget.h"
#include "model/encoder.h"
#include "model/local/bert_model.h"
#include "ragtime/status.h"

namespace ragtime {

struct BertEncoderOptions {
  size_t threads = 0;        // 0: one per core.
  std::string_view kernels;  // A name of SupportedBertKernels(); "": the fastest.
  // What threads are taken from; null: from nothing, and work in the background is as any other.
  std::shared_ptr<ThreadBudget> budget;
};

Result<std::unique_ptr<Encoder>> MakeBertEncoder(std::shared_ptr<const BertModel> model,
                                                 BertEncoderOptions options = {});

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_BERT_ENCODER_H_
