// SPDX-License-Identifier: Apache-2.0
//
// Goal: ggml's products of Q8_0 matrices and its attention over tiles, which tools/llama/ computes with kernels of ours
// where the processor has AVX-512, are right for every shape, and do not depend on how many columns are computed at
// once.
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace ragtime {
namespace {

struct FreeContext {
  void operator()(ggml_context* context) const { ggml_free(context); }
};

// Tensors, what is computed of them, and its result.
class Graph {
 public:
  Graph() : context_(ggml_init({.mem_size = 64 << 20, .mem_buffer = nullptr, .no_alloc = false})) {}
  ggml_context* get() { return context_.get(); }

  std::vector<float> Compute(ggml_tensor* result, int threads) {
    ggml_cgraph* graph = ggml_new_graph(get());
    ggml_build_forward_expand(graph, result);
    EXPECT_EQ(ggml_graph_compute_with_ctx(get(), graph, threads), GGML_STATUS_SUCCESS);
    const float* data = ggml_get_data_f32(result);
    return {data, data + ggml_nelements(result)};
  }

 private:
  std::unique_ptr<ggml_context, FreeContext> context_;
};

std::vector<float> Noise(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// What Q8_0 keeps of `values`, rounded as ggml rounds what it multiplies.
std::vector<float> AsQ8(const std::vector<float>& values, std::vector<uint8_t>& bytes) {
  const auto count = static_cast<int64_t>(values.size());
  bytes.resize(ggml_row_size(GGML_TYPE_Q8_0, count));
  ggml_get_type_traits_cpu(GGML_TYPE_Q8_0)->from_float(values.data(), bytes.data(), count);
  std::vector<float> kept(values.size());
  ggml_get_type_traits(GGML_TYPE_Q8_0)->to_float(bytes.data(), kept.data(), count);
  return kept;
}

struct Shape {
  int64_t rows, columns, size;
};

// [column][row]
std::vector<float> Multiply(const std::vector<uint8_t>& matrix, const std::vector<float>& columns, Shape shape,
                            int threads) {
  Graph graph;
  ggml_tensor* a = ggml_new_tensor_2d(graph.get(), GGML_TYPE_Q8_0, shape.size, shape.rows);
  ggml_tensor* b = ggml_new_tensor_2d(graph.get(), GGML_TYPE_F32, shape.size, shape.columns);
  std::copy(matrix.begin(), matrix.end(), static_cast<uint8_t*>(a->data));
  std::copy_n(columns.begin(), shape.size * shape.columns, ggml_get_data_f32(b));
  return graph.Compute(ggml_mul_mat(graph.get(), a, b), threads);
}

TEST(LlamaKernelsTest, ProductsAreRightForEveryShape) {
  // Whole strips of rows and parts of one, rows longer than one panel, more threads than strips.
  for (const Shape shape : {Shape{576, 64, 576}, Shape{100, 77, 1600}, Shape{33, 35, 3136}, Shape{16, 32, 32},
                            Shape{1, 40, 64}, Shape{47, 31, 96}, Shape{48, 2, 96}, Shape{65, 1, 96}}) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows, " << shape.columns << " columns of " << shape.size);
    std::vector<uint8_t> matrix;
    std::vector<uint8_t> ignored;
    const std::vector<float> a = AsQ8(Noise(static_cast<size_t>(shape.rows * shape.size), 1), matrix);
    const std::vector<float> columns = Noise(static_cast<size_t>(shape.columns * shape.size), 2);
    const std::vector<float> b = AsQ8(columns, ignored);
    for (const int threads : {1, 2, 3}) {
      const std::vector<float> result = Multiply(matrix, columns, shape, threads);
      for (int64_t j = 0; j < shape.columns; ++j) {
        for (int64_t i = 0; i < shape.rows; ++i) {
          double exact = 0;
          double size = 0;
          for (int64_t n = 0; n < shape.size; ++n) {
            const double product = static_cast<double>(a[static_cast<size_t>(i * shape.size + n)]) *
                                   b[static_cast<size_t>(j * shape.size + n)];
            exact += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(result[static_cast<size_t>(j * shape.rows + i)], exact, 1e-5 * size) << i << ", " << j;
        }
      }
    }
  }
}

TEST(LlamaKernelsTest, ColumnsDoNotDependOnTheirNumber) {
  constexpr Shape kAll{200, 512, 1600};
  std::vector<uint8_t> matrix;
  AsQ8(Noise(kAll.rows * kAll.size, 3), matrix);
  const std::vector<float> columns = Noise(kAll.columns * kAll.size, 4);
  const std::vector<float> all = Multiply(matrix, columns, kAll, 2);
  for (const int64_t count : {64, 65, 100, 449}) {
    const std::vector<float> some = Multiply(matrix, columns, {kAll.rows, count, kAll.size}, 2);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << count;
  }
}

// Attention of `queries` positions behind others, `keys` in all, two heads of `size` numbers for each one of keys.
void CheckAttention(int64_t queries, int64_t keys, int64_t size) {
  SCOPED_TRACE(testing::Message() << queries << " of " << keys << ", heads of " << size);
  constexpr int64_t kHeads = 2;
  Graph graph;
  ggml_context* context = graph.get();
  ggml_tensor* q = ggml_new_tensor_3d(context, GGML_TYPE_F32, size, queries, kHeads);
  ggml_tensor* k = ggml_new_tensor_3d(context, GGML_TYPE_F16, size, keys, 1);
  ggml_tensor* v = ggml_new_tensor_3d(context, GGML_TYPE_F16, size, keys, 1);
  ggml_tensor* mask = ggml_new_tensor_2d(context, GGML_TYPE_F16, keys, queries);
  const std::vector<float> q_values = Noise(static_cast<size_t>(ggml_nelements(q)), 5);
  std::vector<float> k_values = Noise(static_cast<size_t>(ggml_nelements(k)), 6);
  std::vector<float> v_values = Noise(static_cast<size_t>(ggml_nelements(v)), 7);
  std::copy(q_values.begin(), q_values.end(), ggml_get_data_f32(q));
  ggml_fp32_to_fp16_row(k_values.data(), static_cast<ggml_fp16_t*>(k->data), ggml_nelements(k));
  ggml_fp32_to_fp16_row(v_values.data(), static_cast<ggml_fp16_t*>(v->data), ggml_nelements(v));
  ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t*>(k->data), k_values.data(), ggml_nelements(k));
  ggml_fp16_to_fp32_row(static_cast<const ggml_fp16_t*>(v->data), v_values.data(), ggml_nelements(v));
  const auto seen = [&](int64_t query) { return keys - queries + query + 1; };
  for (int64_t i = 0; i < queries; ++i) {
    for (int64_t n = 0; n < keys; ++n) {
      static_cast<ggml_fp16_t*>(mask->data)[i * keys + n] = ggml_fp32_to_fp16(n < seen(i) ? 0.0f : -INFINITY);
    }
  }
  const float scale = 1 / std::sqrt(static_cast<float>(size));
  const std::vector<float> result = graph.Compute(ggml_flash_attn_ext(context, q, k, v, mask, scale, 0.0f, 0.0f), 2);
  for (int64_t h = 0; h < kHeads; ++h) {
    for (int64_t i = 0; i < queries; i += 7) {
      std::vector<double> weights;
      double sum = 0;
      for (int64_t n = 0; n < seen(i); ++n) {
        double dot = 0;
        for (int64_t c = 0; c < size; ++c) {
          dot += static_cast<double>(q_values[static_cast<size_t>((h * queries + i) * size + c)]) *
                 k_values[static_cast<size_t>(n * size + c)];
        }
        weights.push_back(std::exp(dot * scale));
        sum += weights.back();
      }
      for (int64_t c = 0; c < size; ++c) {
        double exact = 0;
        for (int64_t n = 0; n < seen(i); ++n) {
          exact += weights[static_cast<size_t>(n)] / sum * v_values[static_cast<size_t>(n * size + c)];
        }
        ASSERT_NEAR(result[static_cast<size_t>((i * kHeads + h) * size + c)], exact, 2e-3) << h << ", " << i;
      }
    }
  }
}

TEST(LlamaKernelsTest, AttentionIsRightForWholeTilesAndParts) {
  CheckAttention(64, 64, 64);
  CheckAttention(128, 512, 64);
  CheckAttention(100, 300, 64);
  CheckAttention(65, 192, 128);
  CheckAttention(64, 256, 80);
  CheckAttention(64, 256, 40);
  CheckAttention(3, 100, 64);
}

}  // namespace
}  // namespace ragtime
