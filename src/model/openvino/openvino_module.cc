// SPDX-License-Identifier: Apache-2.0
//
// libragtime_openvino.so: the only code that OpenVINO is linked to. What OpenVINO throws is caught here.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/openvino.hpp>
#include <span>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/openvino/openvino_encoder.h"

namespace ragtime {
namespace {

// Tokens of one batch, padding included: longer ones fall out of the second-level cache, shorter ones leave threads
// waiting (docs/embedding.md).
constexpr size_t kBatchTokens = 4096;
// Lengths are padded to a multiple, since OpenVINO prepares its kernels anew for every shape.
constexpr size_t kLengthStep = 16;

Status StatusOf(const std::exception& error, std::string_view what) {
  // OpenVINO's messages are stacks of lines; the last says most.
  std::string_view message = error.what();
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.remove_suffix(1);
  if (const size_t line = message.rfind('\n'); line != message.npos) message.remove_prefix(line + 1);
  return DataLossError(StrCat("OpenVINO failed at ", what, ": ", message),
                       "run tools/setup.sh to make the model again, or set embed.backend to llama");
}

// Stores the weights of every matrix product as int8 with a scale per row, which OpenVINO then multiplies with
// activations that it rounds to int8 as it goes.
void CompressWeights(const std::shared_ptr<ov::Model>& model) {
  for (const auto& node : model->get_ordered_ops()) {
    const auto product = ov::as_type_ptr<ov::op::v0::MatMul>(node);
    if (product == nullptr || !product->get_transpose_b()) continue;
    auto source = product->get_input_node_shared_ptr(1);
    if (ov::is_type<ov::op::v0::Convert>(source)) source = source->get_input_node_shared_ptr(0);
    const auto weights = ov::as_type_ptr<ov::op::v0::Constant>(source);
    if (weights == nullptr || weights->get_shape().size() != 2) continue;
    const size_t rows = weights->get_shape()[0];
    const size_t columns = weights->get_shape()[1];
    const std::vector<float> values = weights->cast_vector<float>();
    std::vector<int8_t> rounded(values.size());
    std::vector<float> scales(rows);
    for (size_t r = 0; r < rows; ++r) {
      float largest = 0;
      for (size_t c = 0; c < columns; ++c) largest = std::max(largest, std::fabs(values[r * columns + c]));
      scales[r] = largest > 0 ? largest / 127.0f : 1.0f;
      for (size_t c = 0; c < columns; ++c) {
        rounded[r * columns + c] = static_cast<int8_t>(std::lrintf(values[r * columns + c] / scales[r]));
      }
    }
    const auto narrow =
        std::make_shared<ov::op::v0::Constant>(ov::element::i8, ov::Shape{rows, columns}, rounded.data());
    const auto wide = std::make_shared<ov::op::v0::Convert>(narrow, ov::element::f32);
    const auto scale = std::make_shared<ov::op::v0::Constant>(ov::element::f32, ov::Shape{rows, 1}, scales.data());
    product->input(1).replace_source_output(std::make_shared<ov::op::v1::Multiply>(wide, scale));
  }
}

class OpenVinoEncoder final : public Encoder {
 public:
  OpenVinoEncoder(const OpenVinoEncoderOptions& options) : input_(options.input) {
    const size_t threads = options.threads > 0 ? options.threads : AvailableCores();
    if (!options.cache_folder.empty()) core_.set_property(ov::cache_dir(options.cache_folder.string()));
    const auto abilities = core_.get_property("CPU", ov::device::capabilities);
    const bool has_bf16 = std::find(abilities.begin(), abilities.end(), "BF16") != abilities.end();
    const std::string precision = options.precision == "auto" ? (has_bf16 ? "bf16" : "f32") : options.precision;
    ov::AnyMap settings = {ov::inference_num_threads(static_cast<int32_t>(threads)), ov::num_streams(1),
                           ov::hint::enable_cpu_pinning(false),
                           ov::hint::inference_precision(precision == "bf16" ? ov::element::bf16 : ov::element::f32)};
    if (precision == "int8") {
      const auto model = core_.read_model(options.graph.string());
      CompressWeights(model);
      settings.insert(ov::hint::dynamic_quantization_group_size(32));
      compiled_ = core_.compile_model(model, "CPU", settings);
    } else {
      compiled_ = core_.compile_model(options.graph.string(), "CPU", settings);
    }
    CheckPorts();
    request_ = compiled_.create_infer_request();
    info_ = {StrCat("OpenVINO ", precision), input_->dimension(), input_->max_tokens(), input_->vocabulary_size()};
  }

  const EncoderInfo& info() const override { return info_; }

  Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) override {
    for (const auto& ids : sequences) RAGTIME_RETURN_IF_ERROR(CheckSequence(info_, ids));
    std::lock_guard lock(mutex_);
    for (size_t begin = 0; begin < sequences.size();) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      size_t end = begin;
      size_t longest = 0;
      do {
        longest = std::max(longest, Padded(sequences[end++].size()));
      } while (end < sequences.size() &&
               std::max(longest, Padded(sequences[end].size())) * (end - begin + 1) <= kBatchTokens);
      try {
        EncodeBatch(sequences.subspan(begin, end - begin), longest, out + begin * info_.dimension);
      } catch (const std::exception& error) {
        return StatusOf(error, "embedding");
      }
      begin = end;
    }
    return Status();
  }

 private:
  size_t Padded(size_t tokens) const {
    return std::min((tokens + kLengthStep - 1) / kLengthStep * kLengthStep, input_->max_tokens());
  }

  void CheckPorts() const {
    const auto& inputs = compiled_.inputs();
    const auto& outputs = compiled_.outputs();
    const auto fits = [](const ov::PartialShape& shape, int64_t rank) {
      return shape.rank().is_static() && shape.rank().get_length() == rank;
    };
    if (inputs.size() != 2 || outputs.size() != 1 || !fits(inputs[0].get_partial_shape(), 3) ||
        !fits(inputs[1].get_partial_shape(), 2) || !fits(outputs[0].get_partial_shape(), 2) ||
        !inputs[0].get_partial_shape()[2].compatible(static_cast<int64_t>(input_->dimension()))) {
      throw std::runtime_error("the graph's inputs are not embeddings [B, T, dimension] and mask [B, T]");
    }
  }

  void EncodeBatch(std::span<const std::vector<int32_t>> sequences, size_t tokens, float* out) {
    const size_t d = info_.dimension;
    ov::Tensor embeddings(ov::element::f32, {sequences.size(), tokens, d});
    ov::Tensor mask(ov::element::f32, {sequences.size(), tokens});
    for (size_t s = 0; s < sequences.size(); ++s) {
      const size_t length = sequences[s].size();
      float* rows = embeddings.data<float>() + s * tokens * d;
      input_->Fill(sequences[s], rows);
      std::fill(rows + length * d, rows + tokens * d, 0.0f);
      float* marks = mask.data<float>() + s * tokens;
      std::fill(marks, marks + length, 1.0f);
      std::fill(marks + length, marks + tokens, 0.0f);
    }
    request_.set_input_tensor(0, embeddings);
    request_.set_input_tensor(1, mask);
    request_.infer();
    const ov::Tensor vectors = request_.get_output_tensor(0);
    if (vectors.get_shape() != ov::Shape{sequences.size(), d})
      throw std::runtime_error("the graph's output has another size");
    std::memcpy(out, vectors.data<const float>(), sequences.size() * d * sizeof(float));
  }

  const std::shared_ptr<const InputTable> input_;
  EncoderInfo info_;
  std::mutex mutex_;  // Guards what follows.
  ov::Core core_;
  ov::CompiledModel compiled_;
  ov::InferRequest request_;
};

}  // namespace
}  // namespace ragtime

extern "C" __attribute__((visibility("default"))) ragtime::Encoder* RagtimeMakeOpenVinoEncoder(
    uint32_t interface, const ragtime::OpenVinoEncoderOptions& options, ragtime::Status& status) {
  if (interface != ragtime::kOpenVinoModuleInterface) {
    status = ragtime::UnavailableError("libragtime_openvino.so is of another version than the program",
                                       "install both from one build");
    return nullptr;
  }
  try {
    return new ragtime::OpenVinoEncoder(options);
  } catch (const std::exception& error) {
    status = ragtime::StatusOf(error, ragtime::StrCat("reading ", options.graph.string()));
    return nullptr;
  }
}
