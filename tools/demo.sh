#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a cited answer: sets the machine up, builds, takes up examples/documents and asks two questions.
set -euo pipefail
if (($# > 0)); then
  echo "usage: tools/demo.sh    (environment: that of tools/setup.sh)"
  [[ $1 == -h || $1 == --help ]] && exit 0 || exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Shows a command as it can be typed, then runs it.
show() {
  local word line=""
  for word in "$@"; do
    if [[ $word == *" "* || $word == *？* ]]; then line+=" \"$word\""; else line+=" $word"; fi
  done
  echo
  echo "\$$line"
  "$@" || {
    local code=$?
    echo "demo: that command failed with exit code $code; its message above says what to do." >&2
    echo "build/release/ragtime doctor looks at this machine and the models." >&2
    exit $code
  }
}

tools/setup.sh
kb=build/demo-kb
show build/release/ragtime ingest examples/documents --kb "$kb"
show build/release/ragtime ask "How long may I keep an e-book?" --kb "$kb"
show build/release/ragtime ask "借书证遗失了怎么办？" --kb "$kb"
cat <<EOF

That was Ragtime, in $((SECONDS / 60)) min $((SECONDS % 60)) s. Now your own documents (txt, md and html so far):
  build/release/ragtime ingest PATH_OF_A_FOLDER --kb ./kb     again after they change: only changes are read
  build/release/ragtime ask "your question" --kb ./kb         --json for programs
  build/release/ragtime search "some words" --kb ./kb         passages alone, without an answer
  build/release/ragtime init                                  writes a commented ragtime.yaml
README.md says more; tools/test.sh runs every test.
EOF
