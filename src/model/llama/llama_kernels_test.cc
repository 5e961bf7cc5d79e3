// SPDX-License-Identifier: Apache-2.0
//
// Goal: ggml's products of Q8_0 matrices and its attention, which tools/llama/ computes with kernels of ours where the
// processor has AVX-512, are right for every shape, and do not depend on how much is computed at once.
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
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

// Whether llama.cpp, which is compiled for this processor, calls the kernels of tools/llama/.
bool HasKernels() { return ggml_cpu_has_avx512() != 0 && ggml_cpu_has_avx512_vnni() != 0; }

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
  std::vector<int64_t> counts = {64, 65, 100, 449};
  // llama.cpp's own kernels for few columns round in other ways.
  if (HasKernels()) counts.insert(counts.end(), {1, 2, 3, 4, 7, 16, 31, 32});
  for (const int64_t count : counts) {
    const std::vector<float> some = Multiply(matrix, columns, {kAll.rows, count, kAll.size}, 2);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << count;
  }
}

// Attention of the last `queries` of `keys` positions. Cells that `belong` says false of belong to others, and nobody
// sees them.
struct Attention {
  int64_t queries, keys, size;
  int64_t key_heads = 1;
  int64_t group = 2;  // Heads of queries for each one of keys.
  std::vector<bool> belong = std::vector<bool>(static_cast<size_t>(keys), true);

  int64_t heads() const { return key_heads * group; }
  bool Sees(int64_t query, int64_t key) const {
    return key <= keys - queries + query && belong[static_cast<size_t>(key)];
  }
};

// What they are computed of: [head][query or key][number]. Rounded as the tensors are.
struct Values {
  explicit Values(const Attention& a)
      : q(Noise(static_cast<size_t>(a.heads() * a.queries * a.size), 5)),
        k(Noise(static_cast<size_t>(a.key_heads * a.keys * a.size), 6)),
        v(Noise(static_cast<size_t>(a.key_heads * a.keys * a.size), 7)) {
    for (std::vector<float>* values : {&k, &v}) {
      for (float& value : *values) value = ggml_fp16_to_fp32(ggml_fp32_to_fp16(value));
    }
  }
  std::vector<float> q, k, v;
};

// [query][head][number]
std::vector<float> Attend(const Attention& a, const Values& values, int threads) {
  Graph graph;
  ggml_context* context = graph.get();
  ggml_tensor* q = ggml_new_tensor_3d(context, GGML_TYPE_F32, a.size, a.queries, a.heads());
  ggml_tensor* k = ggml_new_tensor_3d(context, GGML_TYPE_F16, a.size, a.keys, a.key_heads);
  ggml_tensor* v = ggml_new_tensor_3d(context, GGML_TYPE_F16, a.size, a.keys, a.key_heads);
  ggml_tensor* mask = ggml_new_tensor_2d(context, GGML_TYPE_F16, a.keys, a.queries);
  std::copy(values.q.begin(), values.q.end(), ggml_get_data_f32(q));
  ggml_fp32_to_fp16_row(values.k.data(), static_cast<ggml_fp16_t*>(k->data), ggml_nelements(k));
  ggml_fp32_to_fp16_row(values.v.data(), static_cast<ggml_fp16_t*>(v->data), ggml_nelements(v));
  for (int64_t i = 0; i < a.queries; ++i) {
    for (int64_t n = 0; n < a.keys; ++n) {
      static_cast<ggml_fp16_t*>(mask->data)[i * a.keys + n] = ggml_fp32_to_fp16(a.Sees(i, n) ? 0.0f : -INFINITY);
    }
  }
  const float scale = 1 / std::sqrt(static_cast<float>(a.size));
  return graph.Compute(ggml_flash_attn_ext(context, q, k, v, mask, scale, 0.0f, 0.0f), threads);
}

void CheckAttention(const Attention& a) {
  SCOPED_TRACE(testing::Message() << a.queries << " of " << a.keys << ", " << a.heads() << " heads of " << a.size);
  const Values values(a);
  const std::vector<float> result = Attend(a, values, 2);
  for (int64_t h = 0; h < a.heads(); ++h) {
    const int64_t key_row = h / a.group * a.keys;
    for (int64_t i = 0; i < a.queries; i += 7) {
      std::vector<double> weights(static_cast<size_t>(a.keys));
      double sum = 0;
      for (int64_t n = 0; n < a.keys; ++n) {
        if (!a.Sees(i, n)) continue;
        double dot = 0;
        for (int64_t c = 0; c < a.size; ++c) {
          dot += static_cast<double>(values.q[static_cast<size_t>((h * a.queries + i) * a.size + c)]) *
                 values.k[static_cast<size_t>((key_row + n) * a.size + c)];
        }
        weights[static_cast<size_t>(n)] = std::exp(dot / std::sqrt(static_cast<double>(a.size)));
        sum += weights[static_cast<size_t>(n)];
      }
      for (int64_t c = 0; c < a.size; ++c) {
        double exact = 0;
        for (int64_t n = 0; n < a.keys && sum > 0; ++n) {
          exact += weights[static_cast<size_t>(n)] / sum * values.v[static_cast<size_t>((key_row + n) * a.size + c)];
        }
        ASSERT_NEAR(result[static_cast<size_t>((i * a.heads() + h) * a.size + c)], exact, 2e-3) << h << ", " << i;
      }
    }
  }
}

TEST(LlamaKernelsTest, AttentionIsRightForWholeTilesAndParts) {
  CheckAttention({.queries = 64, .keys = 64, .size = 64});
  CheckAttention({.queries = 128, .keys = 512, .size = 64});
  CheckAttention({.queries = 100, .keys = 300, .size = 64});
  CheckAttention({.queries = 65, .keys = 192, .size = 128});
  CheckAttention({.queries = 64, .keys = 256, .size = 80});
  CheckAttention({.queries = 64, .keys = 256, .size = 40});
}

TEST(LlamaKernelsTest, AttentionIsRightForFewTokens) {
  // Heads of one to six that share their keys, whole parts of 128 keys and the beginning of one; 80 and 100 are for
  // llama.cpp's own kernel.
  for (const int64_t group : {1, 2, 3, 4, 6}) {
    CheckAttention({.queries = 1, .keys = 256, .size = 64, .key_heads = 2, .group = group});
    CheckAttention({.queries = 8, .keys = 720, .size = 128, .key_heads = 3, .group = group});
  }
  CheckAttention({.queries = 1, .keys = 16, .size = 32});
  CheckAttention({.queries = 63, .keys = 64, .size = 64});
  CheckAttention({.queries = 1, .keys = 512, .size = 80});
  CheckAttention({.queries = 3, .keys = 100, .size = 64});
  // Cells of others between its own; then none of its own at all.
  Attention between{.queries = 1, .keys = 1024, .size = 64, .key_heads = 3, .group = 3};
  for (size_t n = 0; n < 1000; ++n) between.belong[n] = n % 5 == 2 && n / 100 % 2 == 1;
  CheckAttention(between);
  between.belong.assign(1024, false);
  CheckAttention(between);
}

// What a token gets depends neither on the threads, nor on what is computed beside it, nor on whose cells lie between.
TEST(LlamaKernelsTest, AttentionOfATokenDependsOnNothingElse) {
  if (!HasKernels()) return;  // llama.cpp's own kernels promise less.
  constexpr int64_t kKeys = 640;
  constexpr int64_t kSize = 64;
  Attention many{.queries = 16, .keys = kKeys, .size = kSize, .key_heads = 3, .group = 3};
  const Values values(many);
  const std::vector<float> all = Attend(many, values, 2);
  EXPECT_EQ(Attend(many, values, 1), all);
  EXPECT_EQ(Attend(many, values, 3), all);
  // The last token alone, its cells twice as far apart, each other one somebody else's.
  Attention alone{.queries = 1, .keys = 2 * kKeys, .size = kSize, .key_heads = 3, .group = 3};
  Values apart(alone);
  for (size_t n = 0; n < alone.belong.size(); ++n) alone.belong[n] = n % 2 == 1;
  for (int64_t h = 0; h < many.heads(); ++h) {
    std::copy_n(values.q.begin() + ((h + 1) * many.queries - 1) * kSize, kSize, apart.q.begin() + h * kSize);
  }
  for (int64_t h = 0; h < many.key_heads; ++h) {
    for (int64_t n = 0; n < kKeys; ++n) {
      const int64_t from = (h * kKeys + n) * kSize;
      const int64_t to = (h * 2 * kKeys + 2 * n + 1) * kSize;
      std::copy_n(values.k.begin() + from, kSize, apart.k.begin() + to);
      std::copy_n(values.v.begin() + from, kSize, apart.v.begin() + to);
    }
  }
  for (const int threads : {1, 2, 3}) {
    const std::vector<float> last = Attend(alone, apart, threads);
    ASSERT_EQ(last.size(), static_cast<size_t>(many.heads() * kSize));
    EXPECT_TRUE(std::equal(last.begin(), last.end(), all.end() - many.heads() * kSize)) << threads;
  }
}

}  // namespace
}  // namespace ragtime
