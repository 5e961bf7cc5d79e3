#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the virtual environment that bench/vector.py compares with: bench/vector_peers.sh FOLDER. About 900 MB.
# hnswlib comes as source and is compiled for this processor.
set -euo pipefail
folder=${1:?usage: bench/vector_peers.sh FOLDER}
python3 -m venv "$folder"
"$folder/bin/pip" install setuptools==80.10.2 numpy==2.4.6 hnswlib==0.8.0 \
  usearch==2.26.6 faiss-cpu==1.15.1 rabitqlib==0.7.1 pyvsag==0.18.5 zvec==0.8.0 milvus-lite==3.2.2 pymilvus==3.0.2 \
  chromadb==1.5.9 matplotlib==3.10.7
