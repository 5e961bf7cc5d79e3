#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: what `cmake --install` makes is one folder that works from any place, by itself and for find_package(ragtime).
# Method: install, move the folder, build examples/first_answer.cc in a project of its own against it, and run that and
# bin/ragtime with an empty environment. The dynamic loader tells where each library was taken from.
#   install_test.sh SOURCE_FOLDER BUILD_FOLDER CXX
set -euo pipefail
source_folder=$1 build=$2 cxx=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/ragtime-install-XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
  echo "FAILED: $1" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/first place" >"$work/install.log" ||
  { cat "$work/install.log"; die "install"; }
prefix="$work/second place"
mv "$work/first place" "$prefix"

for path in bin/ragtime lib/libragtime.so lib/ragtime/libragtime_openvino.so lib/ragtime/libragtime_milvus.so \
  lib/ragtime/libragtime_faiss.so \
  include/ragtime/knowledge_base.h \
  share/doc/ragtime/NOTICE share/doc/ragtime/LICENSE share/doc/ragtime/licenses/openvino/LICENSE \
  share/doc/ragtime/licenses/llama.cpp/LICENSE share/ragtime/models/multilingual-e5-small/model.json; do
  [[ -e $prefix/$path ]] || die "$path is not installed"
done

# Nothing installed may look for libraries in the folders of this build.
while IFS= read -r -d '' file; do
  if readelf -d "$file" 2>/dev/null | grep -E 'R(UN)?PATH' | grep -vE '\[\$ORIGIN[^]]*\]'; then
    die "$file has a run path that is not relative to itself"
  fi
  if env -i ldd "$file" 2>/dev/null | grep 'not found'; then die "$file misses libraries"; fi
done < <(find "$prefix" -type f \( -name '*.so*' -o -path '*/bin/*' \) -print0)

# Public headers compile alone, with no include path but their own.
for header in "$prefix"/include/ragtime/*.h; do
  "$cxx" -std=c++20 -fsyntax-only -x c++ -I "$prefix/include" "$header" || die "$(basename "$header") does not stand alone"
done

mkdir "$work/consumer"
cp "$source_folder/examples/first_answer.cc" "$work/consumer/"
cat >"$work/consumer/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(ragtime 0.1 REQUIRED)
add_executable(first_answer first_answer.cc)
target_link_libraries(first_answer PRIVATE ragtime::ragtime)
EOF
cmake -S "$work/consumer" -B "$work/consumer/build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix" \
  >"$work/configure.log" || { cat "$work/configure.log"; die "find_package(ragtime)"; }
cmake --build "$work/consumer/build" || die "first_answer does not build against the installed library"

# Runs a program as a user would who has never seen this checkout; loader messages go to files loader.PID.
run() {
  mkdir -p "$work/home"
  env -i HOME="$work/home" PATH=/usr/bin:/bin LD_DEBUG=files LD_DEBUG_OUTPUT="$work/loader" "$@"
}

check_loaded() {  # LIBRARY...
  local library loaded
  for library in "$@"; do
    loaded=$(grep -hoE "calling init: .*/$library[^ ]*" "$work"/loader.* | sort -u || true)
    [[ -n $loaded ]] || die "$library was not loaded"
    if grep -vF "$prefix/" <<<"$loaded"; then die "$library was not taken from the installed folder"; fi
  done
}

answer=$(run "$work/consumer/build/first_answer" "$source_folder/examples/documents" "How long may I keep an e-book?" \
  "$work/kb") || die "first_answer failed"
echo "$answer"
grep -qE '^\[[0-9]+\] .*digital-library' <<<"$answer" || die "the answer does not cite the page that holds it"
check_loaded libragtime.so
rm -f "$work"/loader.*

# Few texts are embedded without OpenVINO unless the configuration asks for it.
echo 'embed: {model: multilingual-e5-small, backend: openvino}' >"$work/ragtime.yaml"
run "$prefix/bin/ragtime" ingest "$source_folder/examples/documents" --kb "$work/kb2" --config "$work/ragtime.yaml" ||
  die "bin/ragtime ingest failed"
run "$prefix/bin/ragtime" doctor --kb "$work/kb2" >"$work/doctor" || die "bin/ragtime doctor failed"
grep -qF "language model at $prefix/share/ragtime/models" "$work/doctor" || die "the models are not those installed"
hits=$(run "$prefix/bin/ragtime" search "How long may I keep an e-book?" --kb "$work/kb2" --json) || die "search failed"
grep -q 'digital-library' <<<"$hits" || die "bin/ragtime search did not find the page"
check_loaded libragtime_openvino.so libopenvino.so libopenvino_intel_cpu_plugin.so libopenvino_ir_frontend.so libtbb.so
echo "installed, moved, built against and run: passed"
