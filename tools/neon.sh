#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles the kernels for aarch64 (NEON) with the tests that hold each to its plain twin, and runs them under qemu.
#
# tools/neon.sh [CTEST ARGUMENT...], for example tools/neon.sh -R Kernels. It installs Debian's cross compiler and qemu
# where they are missing; the arm64 libraries are only unpacked, into $RAGTIME_CACHE/aarch64. 10 minutes on 2 cores.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${RAGTIME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ragtime}
sysroot=$cache/aarch64
build=$root/build/neon
packages=(libgmock-dev libgtest-dev libicu-dev libicu72 libroaring-dev libroaring0 libstemmer-dev libstemmer0d
  liburing-dev liburing2 libxxhash-dev)

if ! { command -v aarch64-linux-gnu-g++ && command -v qemu-aarch64; } >/dev/null; then
  as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y --no-install-recommends g++-aarch64-linux-gnu qemu-user
fi

if [[ ! -e $sysroot ]]; then
  work=$(mktemp -d "$cache/aarch64.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{lists/partial,apt/archives/partial,sysroot}
  foreign=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=root)
  apt-get "${foreign[@]}" update -qq
  (cd "$work" && apt-get "${foreign[@]}" download -qq "${packages[@]/%/:arm64}")
  for package in "$work"/*.deb; do dpkg -x "$package" "$work/sysroot"; done
  mv "$work/sysroot" "$sysroot"
fi

eval "$("$root/tools/setup.sh" --print-env)"
export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig PKG_CONFIG_SYSROOT_DIR=$sysroot
libraries=$sysroot/usr/lib/aarch64-linux-gnu
cmake -S "$root/tools/neon" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux \
  -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_LIBRARY_ARCHITECTURE=aarch64-linux-gnu \
  -DCMAKE_FIND_ROOT_PATH="$sysroot" -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER \
  -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY \
  -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY -DCMAKE_EXE_LINKER_FLAGS="-Wl,-rpath-link,$libraries" \
  "-DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64;-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=$libraries" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" \
  -DRAGTIME_DEPS="$RAGTIME_DEPS" -DRAGTIME_MODELS="$RAGTIME_MODELS" >"$build.log" || { cat "$build.log" >&2; exit 1; }
cmake --build "$build" -j "${RAGTIME_JOBS:-$(nproc)}" -- --quiet
# qemu does not pass on the filter of system calls by which this one test forbids io_uring, which qemu itself lacks.
ctest --test-dir "$build" -E DiskReaderTest.WithoutIoUring -j "${RAGTIME_JOBS:-$(nproc)}" --output-on-failure "$@"
