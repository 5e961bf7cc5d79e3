#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles what k-means needs of Faiss, out of the source of the crate faiss-sys:
#   compile_faiss.sh ARCHIVE WORK_FOLDER INSTALL_FOLDER JOBS
# tools/faiss/sgemm.cc takes the place of a BLAS. Sections that nothing calls are left out when the module is linked,
# and with them all that would need LAPACK.
set -euo pipefail
archive=$1 work=$2 install=$3 jobs=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

sources=(Clustering Index IndexFlat IndexFlatCodes impl/AuxIndexStructures impl/CodePacker impl/FaissException
  impl/IDSelector utils/Heap utils/distances utils/distances_fused/avx512 utils/distances_fused/distances_fused
  utils/distances_fused/simdlib_based utils/distances_simd utils/extra_distances utils/partitioning utils/random
  utils/sorting utils/utils)
rm -rf "$work" "$install"
mkdir -p "$work/objects" "$install/include" "$install/lib" "$install/licenses"
tar -xzf "$archive" -C "$work" --strip-components=2 --wildcards '*/faiss/faiss/*.h' '*/faiss/faiss/*.cpp' \
  '*/faiss/LICENSE'
cd "$work"
export options="-std=c++17 -O3 -march=native -fopenmp -fPIC -DNDEBUG -DFINTEGER=int -I. -w -fvisibility=hidden
  -ffunction-sections -fdata-sections"
compile() {  # SOURCE
  echo "[$(basename "$1")]"
  # shellcheck disable=SC2086
  g++ $options -c "$1" -o "objects/$(basename "$1" | tr . _).o"
}
export -f compile
printf '%s\n' "$here/faiss/sgemm.cc" $(printf 'faiss/%s.cpp ' "${sources[@]}") |
  xargs -P "$jobs" -I {} bash -c 'compile "{}"'
ar rcs "$install/lib/libfaiss.a" objects/*.o
(cd faiss && find . -name '*.h' -not -path './gpu/*' -not -path './cppcontrib/*') | while read -r header; do
  mkdir -p "$install/include/faiss/$(dirname "$header")"
  cp "faiss/$header" "$install/include/faiss/$header"
done
cp LICENSE "$install/licenses/LICENSE"
