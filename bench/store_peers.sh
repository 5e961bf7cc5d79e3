#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the two virtual environments that bench/store.py compares with: bench/store_peers.sh FOLDER. About 2.2 GB.
# LazyLLM has one of its own, since it wants other versions of numpy and pymilvus.
set -euo pipefail
folder=${1:?usage: bench/store_peers.sh FOLDER}
mkdir -p "$folder"
python3 -m venv "$folder/stores"
"$folder/stores/bin/pip" install setuptools==80.10.2 numpy==2.4.6 pyarrow==26.0.1 chromadb==1.5.9 milvus-lite==3.2.2 \
  pymilvus==3.0.2 llama-index-core==0.14.25 usearch==2.26.6 tantivy==0.27.0 lancedb==0.40.0 zvec==0.8.0
python3 -m venv "$folder/lazyllm"
# pymilvus as lazyllm's own extra "rag-advanced" wants it.
"$folder/lazyllm/bin/pip" install setuptools==80.10.2 numpy==1.26.4 "lazyllm[rag]==1.4.0" pymilvus==2.4.15 \
  milvus-lite==2.4.12
