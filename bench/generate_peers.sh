#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what bench/generate.py compares with: bench/generate_peers.sh FOLDER. llama-server of the very source that
# Ragtime links, compiled for this processor with its own defaults, LlamaIndex and OpenVINO GenAI. About 10 minutes.
# The source is the archive that tools/setup.sh has fetched and checked.
set -euo pipefail
folder=${1:?usage: bench/generate_peers.sh FOLDER}
cache=${RAGTIME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ragtime}
archive=$(ls "$cache"/downloads/llama_cpp_python-*.tar.gz)
mkdir -p "$folder/source"
folder=$(cd "$folder" && pwd)
if [[ ! -e $folder/source/done ]]; then
  tar -xzf "$archive" -C "$folder/source" --strip-components=1 --wildcards '*/vendor/llama.cpp/*'
  touch "$folder/source/done"
fi
cmake -S "$folder/source/vendor/llama.cpp" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF
ninja -C "$folder/build" llama-server
ln -sf "$folder/build/bin/llama-server" "$folder/llama-server"
python3 -m venv "$folder/llamaindex"
"$folder/llamaindex/bin/pip" install llama-index-core==0.14.25 llama-index-llms-openai-like==0.8.1 numpy==2.4.6
python3 -m venv "$folder/genai"
"$folder/genai/bin/pip" install openvino-genai==2026.4.1.0 numpy==2.4.6
