#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the two virtual environments that bench/store.py compares with, and bench/keyword_search.py with the first of
# them and the jars of lucene/: bench/store_peers.sh FOLDER. About 3 GB. The jars need Maven and Java 17.
# bench/hybrid_peers.py and bench/generate.py use "llamaindex", since its retrievers want other versions.
# LazyLLM has one of its own, since it wants other versions of numpy and pymilvus.
set -euo pipefail
folder=${1:?usage: bench/store_peers.sh FOLDER}
mkdir -p "$folder"
python3 -m venv "$folder/stores"
"$folder/stores/bin/pip" install setuptools==80.10.2 numpy==2.4.6 pyarrow==26.0.1 chromadb==1.5.9 milvus-lite==3.2.2 \
  pymilvus==3.0.2 llama-index-core==0.14.25 usearch==2.26.6 tantivy==0.27.0 lancedb==0.40.0 zvec==0.8.0 \
  bm25s==0.3.16 numba==0.68.1 pyterrier-pisa==0.4.9
python3 -m venv "$folder/lazyllm"
# pymilvus as lazyllm's own extra "rag-advanced" wants it.
"$folder/lazyllm/bin/pip" install setuptools==80.10.2 numpy==1.26.4 "lazyllm[rag]==1.4.0" pymilvus==2.4.15 \
  milvus-lite==2.4.12
python3 -m venv "$folder/llamaindex"
"$folder/llamaindex/bin/pip" install llama-index-core==0.14.25 llama-index-vector-stores-chroma==0.6.0 \
  llama-index-retrievers-bm25==0.8.0 llama-index-llms-openai-like==0.8.1 chromadb==1.5.9 bm25s==0.3.16
for jar in lucene-core lucene-analysis-common; do
  mvn -q dependency:copy "-Dartifact=org.apache.lucene:$jar:9.12.3" "-DoutputDirectory=$folder/lucene"
done
