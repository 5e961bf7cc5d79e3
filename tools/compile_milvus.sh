#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles the messages of Milvus out of the pymilvus package, which holds their definitions:
#   compile_milvus.sh WHEEL WORK_FOLDER INSTALL_FOLDER JOBS
# protoc writes 12 MB of C++ that no build of Ragtime changes, so that setup.sh keys the result by the wheel, this
# script, the compiler and protoc, and every clone and sanitizer links the same static library.
set -euo pipefail
wheel=$1 work=$2 install=$3 jobs=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
files=(milvus_proto/{common,schema,feder,msg,rg,milvus})

rm -rf "$work"
mkdir -p "$work" "$install/include" "$install/lib"
python3 "$here/milvus/descriptors.py" "$wheel" "$work/milvus.pb"
# The one file that the package does not hold comes with protoc.
protoc --include_imports --descriptor_set_out="$work/google.pb" google/protobuf/descriptor.proto
protoc --descriptor_set_in="$work/milvus.pb:$work/google.pb" --cpp_out="$install/include" \
  "${files[@]/%/.proto}"
cd "$install/include"
mkdir "$work/milvus_proto"
# Code that nobody steps through: -O1 takes half the time of -O2, and serialization lies in libprotobuf.
printf '%s\n' "${files[@]}" |
  xargs -P "$jobs" -I NAME g++ -std=c++20 -O1 -g0 -fPIC -w -I. -c NAME.pb.cc -o "$work/NAME.o"
rm milvus_proto/*.pb.cc
ar rcs "$install/lib/libmilvus_proto.a" "$work"/milvus_proto/*.o
