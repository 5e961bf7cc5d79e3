#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles llama.cpp out of the llama-cpp-python source package:
#   compile_llama.sh ARCHIVE WORK_FOLDER INSTALL_FOLDER JOBS
# The libraries are static and use this machine's instructions (GGML_NATIVE), so setup.sh keys the result by them.
# tools/llama/ has kernels of ours that llama.cpp calls in place of its own where the processor has AVX-512.
# No OpenMP: ggml then runs on the threads that Ragtime gives it. Unity build: half the time, measured on 2 cores.
# WORK_FOLDER may hold an interrupted run; ninja goes on where that one stopped.
set -euo pipefail
archive=$1 work=$2 install=$3 jobs=$4

if [[ ! -e $work/source.done ]]; then
  rm -rf "$work"
  mkdir -p "$work/source"
  tar -xzf "$archive" -C "$work/source" --strip-components=1 --wildcards '*/vendor/llama.cpp/*'
  # Without OpenMP, ggml's threads wait for each other by spinning for ever. On 2 busy cores a token then took 470 to
  # 1,240 ms; giving the core away after 1,000 turns it takes 126 to 173 ms, and on idle cores nothing changes.
  patch --quiet --fuzz=0 "$work/source/vendor/llama.cpp/ggml/src/ggml-cpu/ggml-cpu.c" <<'EOF'
--- ggml-cpu.c
+++ ggml-cpu.c
@@ -597,8 +597,10 @@
     }

     // wait for other threads
+    int spins = 0;
     while (atomic_load_explicit(&tp->n_barrier_passed, memory_order_relaxed) == n_passed) {
         ggml_thread_cpu_relax();
+        if (++spins >= 1000) sched_yield();
     }

     // exit barrier (full seq-cst fence)
EOF
  # Twice the speed of reading a prompt where there is AVX-512 with VNNI (docs/decisions/llama-cpp.md).
  mkdir "$work/source/vendor/llama.cpp/ggml/src/ggml-cpu/ragtime"
  cp "$(dirname "$0")"/llama/*.h "$work/source/vendor/llama.cpp/ggml/src/ggml-cpu/ragtime"
  patch --quiet --fuzz=0 -p1 -d "$work/source/vendor/llama.cpp/ggml/src/ggml-cpu" <<'EOF'
--- a/ops.cpp
+++ b/ops.cpp
@@ -9,0 +10 @@
+#include "ragtime/attention_row.h"
@@ -9231,0 +9233,7 @@
+#if defined(RAGTIME_ATTENTION_TILE)
+                    if (kv_tile == KV_TILE_SZ) {
+                        float * to = mask32 + tq * KV_TILE_SZ;
+                        can_skip &= ragtime_attention::ConvertMask(mp_row + ic, KV_TILE_SZ, slope, to);
+                        continue;
+                    }
+#endif
@@ -9250,0 +9259,6 @@
+#if defined(RAGTIME_ATTENTION_TILE)
+            if (kv_type == GGML_TYPE_F16 && kv_tile == KV_TILE_SZ && DK % 16 == 0) {
+                const char * first = (const char *)k->data + ic*nbk1 + ik2*nbk2 + ik3*nbk3;
+                ragtime_attention::TransposeKeys(first, nbk1, KV_TILE_SZ, DK, K_f32);
+            } else
+#endif
@@ -9292,0 +9307,3 @@
+#if defined(RAGTIME_ATTENTION_TILE)
+                tile_max = ragtime_attention::Largest(kq_row, KV_TILE_SZ);
+#else
@@ -9293,0 +9311 @@
+#endif
@@ -9489,0 +9508,3 @@
+#if defined(RAGTIME_ATTENTION_ROW)
+    if (!use_ref && ragtime_attention::AttendRows(params, dst)) return;
+#endif
--- a/ggml-cpu.c
+++ b/ggml-cpu.c
@@ -3004,2 +3004,4 @@
                         cur += MAX(prefill, decode);
+                        // What ragtime/attention_row.h adds up apart, 128 keys a part.
+                        cur = MAX(cur, sizeof(float)*neq2*(2+DV)*(node->src[1]->ne[1]/128 + 1));
                     } break;
--- a/simd-gemm.h
+++ b/simd-gemm.h
@@ -42,2 +42,6 @@
             Bv[r] = GGML_F32_VEC_LOAD(B + kk * N + r * KN);
+#if defined(__AVX512F__) && defined(__GNUC__)
+            // Else GCC loads it again for each row, and loads are what takes the time.
+            asm("" : "+v"(Bv[r]));
+#endif
         }
--- a/llamafile/sgemm.cpp
+++ b/llamafile/sgemm.cpp
@@ -59,2 +59,4 @@

+#include "ragtime/gemm_q8_0.h"
+
 #ifdef _MSC_VER
@@ -3819,3 +3821,3 @@
 #if !defined(__MMA__)
-    if (n < 2)
+    if (n < 2 && !RAGTIME_ONE_COLUMN(Atype, Btype))
         return false;
@@ -4043,3 +4045,7 @@
            return false;
-#if defined(__AVX2__) || defined(__AVX512F__) || defined(__AVX__)
+#if defined(RAGTIME_GEMM_Q8_0)
+        ragtime_gemm::GemmQ8(m, n, k, (const block_q8_0 *)A, lda, (const block_q8_0 *)B, ldb, (float *)C, ldc,
+                             params->ith, params->nth);
+        return true;
+#elif defined(__AVX2__) || defined(__AVX512F__) || defined(__AVX__)
         tinyBLAS_Q0_AVX<block_q8_0, block_q8_0, float> tb{
EOF
  # AMX kernels have other declarations of the same types, so that on a processor with AMX they cannot be united.
  cat >>"$work/source/vendor/llama.cpp/ggml/src/CMakeLists.txt" <<'EOF'
set_source_files_properties(ggml-cpu/amx/amx.cpp ggml-cpu/amx/mmq.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
EOF
  touch "$work/source.done"
fi
cmake -S "$work/source/vendor/llama.cpp" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_INSTALL_PREFIX="$install" -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  -DCMAKE_UNITY_BUILD=ON -DGGML_NATIVE=ON -DGGML_OPENMP=OFF -DGGML_CCACHE=OFF \
  -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF
ninja -C "$work/build" -j "$jobs"
cmake --install "$work/build"
# Not needed by CMake, and the only file that would hold the absolute path of a folder that is renamed afterwards.
rm -rf "$install/lib/pkgconfig"
mkdir -p "$install/licenses"
cp "$work/source/vendor/llama.cpp/LICENSE" "$install/licenses/LICENSE"
