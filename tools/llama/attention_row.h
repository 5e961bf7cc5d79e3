// SPDX-License-Identifier: Apache-2.0
//
// Attention of fewer tokens than llama.cpp's tiles have, as an answer's next token: 16 keys at a time with AVX-512, and
// of the keys only those that the mask lets a token see. llama.cpp takes one key after another, for each head anew, and
// adds up in 16 bits. Compiled as a part of ggml (tools/compile_llama.sh).
//
// What a token gets depends on the keys that it sees and on their order, and on nothing else: not on how many threads
// there are, nor what is computed beside it, nor which cells belong to others.
#ifndef RAGTIME_TOOLS_LLAMA_ATTENTION_ROW_H_
#define RAGTIME_TOOLS_LLAMA_ATTENTION_ROW_H_

#include "attention_tile.h"

#if defined(RAGTIME_ATTENTION_TILE) && defined(__AVX512BW__)

#include <algorithm>
#include <cstring>
#include <vector>

namespace ragtime_attention {

// Keys that are added up apart from others. Threads take such parts in turn; their sums are joined in order.
constexpr int64_t kPartKeys = 128;

inline int64_t CountParts(int64_t keys) { return (keys + kPartKeys - 1) / kPartKeys; }

// The keys that a token sees, and what the mask adds to their scores.
struct SeenKeys {
  std::vector<int32_t> cells;
  std::vector<float> shifts;
  int64_t count = 0;

  // `keys`: a multiple of 16. No mask: all are seen.
  void Read(const uint16_t* mask, int64_t keys) {
    // 16 are written at once, however few of them are meant.
    cells.resize(static_cast<size_t>(keys) + 16);
    shifts.resize(static_cast<size_t>(keys) + 16);
    count = 0;
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 lowest = _mm512_set1_ps(-INFINITY);
    for (int64_t i = 0; i < keys; i += 16) {
      const __m512 values = mask == nullptr ? _mm512_setzero_ps() : LoadHalves(mask + i);
      const __mmask16 seen = _mm512_cmp_ps_mask(values, lowest, _CMP_NEQ_UQ);
      if (seen == 0) continue;
      const __m512i numbers = _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int32_t>(i)));
      _mm512_storeu_si512(&cells[static_cast<size_t>(count)], _mm512_maskz_compress_epi32(seen, numbers));
      _mm512_storeu_ps(&shifts[static_cast<size_t>(count)], _mm512_maskz_compress_ps(seen, values));
      count += __builtin_popcount(seen);
    }
  }
};

// Queries of up to four heads that share their keys.
struct Heads {
  const float* queries[4];
  const char* keys;  // Of cell 0, and the bytes from one cell to the next.
  const char* values;
  size_t key_stride, value_stride;
  int64_t size, value_size;  // Multiples of 16 and of 32.
  float scale;
};

// Number i of the result: the sum of sums[i].
inline __m512 AddUp(const __m512 sums[16]) {
  __m512 fours[4];
  for (int i = 0; i < 4; ++i) {
    const __m512* four = sums + 4 * i;
    const __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(four[0], four[1]), _mm512_unpackhi_ps(four[0], four[1]));
    const __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(four[2], four[3]), _mm512_unpackhi_ps(four[2], four[3]));
    fours[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))));
  }
  const auto halve = [](__m512 x, __m512 y) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xDD));
  };
  return halve(halve(fours[0], fours[1]), halve(fours[2], fours[3]));
}

// Into the cache. A processor does not foresee that of each cell only one head's bytes are read.
inline void Fetch(const char* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) _mm_prefetch(from + at, _MM_HINT_T0);
}

// The queries' products with 16 keys.
template <int G>
inline void Score(const Heads& heads, const char* const keys[16], float scores[][16]) {
  for (int first = 0; first < 16; first += 4) {
    __m512 sums[16];
    for (int i = 0; i < 16; ++i) sums[i] = _mm512_setzero_ps();
    for (int64_t at = 0; at < heads.size; at += 16) {
      for (int i = 0; i < 4; ++i) {
        const __m512 key = LoadHalves(keys[first + i] + 2 * at);
        for (int g = 0; g < G; ++g) {
          sums[4 * g + i] = _mm512_fmadd_ps(_mm512_loadu_ps(heads.queries[g] + at), key, sums[4 * g + i]);
        }
      }
    }
    alignas(64) float all[16];
    _mm512_store_ps(all, AddUp(sums));
    for (int g = 0; g < G; ++g) std::memcpy(&scores[g][first], all + 4 * g, 4 * sizeof(float));
  }
}

// Of `count` keys: to out[g] the largest score, the sum of the weights beside it, and the sum of the weighted values.
template <int G>
inline void AttendPart(const Heads& heads, const int32_t* cells, const float* shifts, int64_t count,
                       float* const out[]) {
  float largest[G];
  __m512 sums[G];
  for (int g = 0; g < G; ++g) {
    largest[g] = -INFINITY;
    sums[g] = _mm512_setzero_ps();
    std::fill_n(out[g] + 2, heads.value_size, 0.0f);
  }
  for (int64_t start = 0; start < count; start += 16) {
    const int here = static_cast<int>(std::min<int64_t>(16, count - start));
    const __mmask16 valid = static_cast<__mmask16>((1u << here) - 1);
    const char* keys[16];
    const char* values[16];
    for (int i = 0; i < 16; ++i) {
      const auto cell = static_cast<size_t>(cells[start + std::min(i, here - 1)]);
      keys[i] = heads.keys + cell * heads.key_stride;
      values[i] = heads.values + cell * heads.value_stride;
    }
    for (int64_t i = start + 16; i < std::min(count, start + 32); ++i) {
      const auto cell = static_cast<size_t>(cells[i]);
      Fetch(heads.keys + cell * heads.key_stride, 2 * heads.size);
      Fetch(heads.values + cell * heads.value_stride, 2 * heads.value_size);
    }
    alignas(64) float weights[G][16];
    Score<G>(heads, keys, weights);
    const __m512 shift = _mm512_maskz_loadu_ps(valid, shifts + start);
    for (int g = 0; g < G; ++g) {
      const __m512 scores = _mm512_fmadd_ps(_mm512_load_ps(weights[g]), _mm512_set1_ps(heads.scale), shift);
      const float most = _mm512_mask_reduce_max_ps(valid, scores);
      if (most > largest[g]) {
        const __m512 factor = _mm512_set1_ps(expf(largest[g] - most));
        sums[g] = _mm512_mul_ps(sums[g], factor);
        for (int64_t at = 2; at < 2 + heads.value_size; at += 16) {
          _mm512_storeu_ps(out[g] + at, _mm512_mul_ps(_mm512_loadu_ps(out[g] + at), factor));
        }
        largest[g] = most;
      }
      const __m512 distance = _mm512_sub_ps(scores, _mm512_set1_ps(largest[g]));
      const __m512 weight = _mm512_maskz_mov_ps(valid, ggml_v_expf(distance));
      sums[g] = _mm512_add_ps(sums[g], weight);
      _mm512_store_ps(weights[g], weight);
    }
    for (int64_t at = 0; at < heads.value_size; at += 32) {
      __m512 low[G];
      __m512 high[G];
      for (int g = 0; g < G; ++g) {
        low[g] = _mm512_loadu_ps(out[g] + 2 + at);
        high[g] = _mm512_loadu_ps(out[g] + 2 + at + 16);
      }
      for (int i = 0; i < 16; ++i) {
        const __m512 value_low = LoadHalves(values[i] + 2 * at);
        const __m512 value_high = LoadHalves(values[i] + 2 * at + 32);
        for (int g = 0; g < G; ++g) {
          const __m512 weight = _mm512_set1_ps(weights[g][i]);
          low[g] = _mm512_fmadd_ps(weight, value_low, low[g]);
          high[g] = _mm512_fmadd_ps(weight, value_high, high[g]);
        }
      }
      for (int g = 0; g < G; ++g) {
        _mm512_storeu_ps(out[g] + 2 + at, low[g]);
        _mm512_storeu_ps(out[g] + 2 + at + 16, high[g]);
      }
    }
  }
  for (int g = 0; g < G; ++g) {
    out[g][0] = largest[g];
    out[g][1] = _mm512_reduce_add_ps(sums[g]);
  }
}

// The parts of one head, `stride` numbers apart, become its result.
inline void JoinParts(const float* parts, int64_t count, int64_t stride, int64_t value_size, float* result) {
  float largest = -INFINITY;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, parts[i * stride]);
  std::fill_n(result, value_size, 0.0f);
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float* part = parts + i * stride;
    const float weight = expf(part[0] - largest);
    sum += weight * part[1];
    for (int64_t at = 0; at < value_size; ++at) result[at] += weight * part[2 + at];
  }
  const float factor = sum > 0 ? 1 / sum : 0;  // A token that sees nothing gets nothing.
  for (int64_t at = 0; at < value_size; ++at) result[at] *= factor;
}

// The whole operation, as ggml_compute_forward_flash_attn_ext_f16 has it. False: not here.
inline bool AttendRows(const ggml_compute_params* params, ggml_tensor* dst) {
  const ggml_tensor* q = dst->src[0];
  const ggml_tensor* k = dst->src[1];
  const ggml_tensor* v = dst->src[2];
  const ggml_tensor* mask = dst->src[3];
  float scale, max_bias, softcap;
  std::memcpy(&scale, dst->op_params, sizeof(float));
  std::memcpy(&max_bias, dst->op_params + 1, sizeof(float));
  std::memcpy(&softcap, dst->op_params + 2, sizeof(float));
  const int64_t tokens = q->ne[1], heads = q->ne[2], key_heads = k->ne[2], keys = k->ne[1];
  const int64_t value_size = v->ne[0];
  const int64_t part_size = 2 + value_size;
  if (q->type != GGML_TYPE_F32 || k->type != GGML_TYPE_F16 || v->type != GGML_TYPE_F16 || max_bias != 0 ||
      softcap != 0 || dst->src[4] != nullptr || q->ne[3] != 1 || v->ne[2] != key_heads || heads % key_heads != 0 ||
      k->ne[0] % 16 != 0 || value_size % 32 != 0 || keys % 16 != 0 || tokens >= GGML_FA_TILE_Q ||
      (mask != nullptr && (mask->ne[2] != 1 || mask->ne[3] != 1))) {
    return false;
  }
  // A token that is alone is shared out by parts of its keys, whose sums lie in wdata.
  const bool alone = tokens == 1;
  if (alone && params->wsize < static_cast<size_t>(CountParts(keys) * heads * part_size) * sizeof(float)) return false;
  static thread_local SeenKeys seen;
  static thread_local std::vector<float> own;
  const int64_t group = heads / key_heads;
  const auto read = [&](int64_t token) {
    const auto* row = mask == nullptr ? nullptr : static_cast<const char*>(mask->data) + token * mask->nb[1];
    seen.Read(reinterpret_cast<const uint16_t*>(row), keys);
  };
  // Part `part` of the keys of one head of keys; parts[head * head_stride] is that of its first head of queries.
  const auto attend = [&](int64_t token, int64_t key_head, int64_t part, float* parts, int64_t head_stride) {
    const int64_t start = part * kPartKeys;
    const int64_t count = std::min(kPartKeys, seen.count - start);
    for (int64_t first = 0; first < group; first += 4) {
      Heads some;
      float* out[4];
      const int64_t here = std::min<int64_t>(4, group - first);
      for (int64_t g = 0; g < here; ++g) {
        const char* query =
            static_cast<const char*>(q->data) + token * q->nb[1] + (key_head * group + first + g) * q->nb[2];
        some.queries[g] = reinterpret_cast<const float*>(query);
        out[g] = parts + (first + g) * head_stride;
      }
      some.keys = static_cast<const char*>(k->data) + key_head * k->nb[2];
      some.values = static_cast<const char*>(v->data) + key_head * v->nb[2];
      some.key_stride = k->nb[1];
      some.value_stride = v->nb[1];
      some.size = k->ne[0];
      some.value_size = value_size;
      some.scale = scale;
      const int32_t* cells = seen.cells.data() + start;
      const float* shifts = seen.shifts.data() + start;
      if (here == 1) AttendPart<1>(some, cells, shifts, count, out);
      if (here == 2) AttendPart<2>(some, cells, shifts, count, out);
      if (here == 3) AttendPart<3>(some, cells, shifts, count, out);
      if (here == 4) AttendPart<4>(some, cells, shifts, count, out);
    }
  };
  const auto result = [&](int64_t token, int64_t head) {
    return reinterpret_cast<float*>(static_cast<char*>(dst->data) + (head + token * heads) * dst->nb[1]);
  };
  if (alone) {
    auto* parts = static_cast<float*>(params->wdata);
    read(0);
    const int64_t count = CountParts(seen.count);
    for (int64_t part = params->ith; part < count; part += params->nth) {
      for (int64_t head = 0; head < key_heads; ++head) {
        attend(0, head, part, parts + (head * group * count + part) * part_size, count * part_size);
      }
    }
    ggml_barrier(params->threadpool);
    for (int64_t head = params->ith; head < heads; head += params->nth) {
      JoinParts(parts + head * count * part_size, count, part_size, value_size, result(0, head));
    }
    return true;
  }
  if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
  ggml_barrier(params->threadpool);
  int64_t token_read = -1;
  for (int64_t unit = params->ith; unit < tokens * key_heads; unit = ggml_threadpool_chunk_add(params->threadpool, 1)) {
    const int64_t token = unit / key_heads;
    const int64_t key_head = unit % key_heads;
    if (token != token_read) read(token);
    token_read = token;
    const int64_t count = CountParts(seen.count);
    own.resize(static_cast<size_t>(std::max<int64_t>(1, count) * group * part_size));
    for (int64_t part = 0; part < count; ++part) {
      attend(token, key_head, part, own.data() + part * part_size, count * part_size);
    }
    for (int64_t g = 0; g < group; ++g) {
      JoinParts(own.data() + g * count * part_size, count, part_size, value_size, result(token, key_head * group + g));
    }
  }
  return true;
}

}  // namespace ragtime_attention

#define RAGTIME_ATTENTION_ROW
#endif

#endif  // RAGTIME_TOOLS_LLAMA_ATTENTION_ROW_H_
