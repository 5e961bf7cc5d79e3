#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles hiredis, with TLS, out of the source package of the same name:
#   compile_hiredis.sh ARCHIVE WORK_FOLDER INSTALL_FOLDER
# Static, because Debian's own is 0.14: it has no TLS, and its symbols must not clash with a user's copy.
set -euo pipefail
archive=$1 work=$2 install=$3

rm -rf "$work" "$install"
mkdir -p "$work" "$install/include/hiredis" "$install/lib" "$install/licenses"
tar -xzf "$archive" -C "$work" --strip-components=3 --wildcards '*/vendor/hiredis/*'
cd "$work"
objects=()
for source in alloc async hiredis net read sds sockcompat ssl; do
  echo "[$source]"
  gcc -std=gnu99 -O2 -fPIC -DNDEBUG -c "$source.c" -o "$source.o"
  objects+=("$source.o")
done
ar rcs "$install/lib/libhiredis.a" "${objects[@]}"
cp alloc.h hiredis.h hiredis_ssl.h read.h sds.h "$install/include/hiredis/"
cp COPYING "$install/licenses/COPYING"
