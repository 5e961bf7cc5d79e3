#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: tools/setup.sh names the failing step and the remedy, trusts nothing damaged or half made, and waits its turn.
# Method: caches of its own in a temporary folder, and an index for pip that has nothing. No network, no compiling.
#   setup_test.sh SOURCE_FOLDER
set -uo pipefail
source_folder=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/ragtime-setup-XXXXXX")
trap 'rm -rf "$work"' EXIT
export RAGTIME_CACHE=$work/cache PIP_NO_INDEX=1 PIP_FIND_LINKS=$work/empty
mkdir "$work/empty"
checks=0

die() {
  echo "FAILED: $1" >&2
  echo "--- output" >&2
  cat "$work/out" >&2
  exit 1
}

run() {  # EXPECTED_EXIT_CODE ARGUMENT...
  local expected=$1 code=0
  shift
  "$source_folder/tools/setup.sh" "$@" >"$work/out" 2>&1 || code=$?
  [[ $code == "$expected" ]] || die "setup.sh $* ended with $code, not $expected"
}

expect() {  # TEXT
  grep -qF -- "$1" "$work/out" || die "this is not in the output: $1"
  checks=$((checks + 1))
}

run 2 --wrong
expect "usage:"
run 0 --help
expect "--print-env"

run 1 --print-env
expect "run tools/setup.sh"
if ! command -v nvcc >/dev/null; then
  run 1 --cuda --no-build
  expect "there is no nvcc on PATH"
fi

# An index without the packages: the step, the package, the log and the remedy are named.
run 1 --no-build
expect "set-up failed in step 2/7 (Downloading pinned packages)"
expect "scikit-build-core"
expect "$work/cache/logs/download.log"
expect "PIP_INDEX_URL"
expect "it goes on where it stopped"

# A file of the right name and the wrong bytes is fetched again, not used.
file=$(awk '$2 == "scikit-build-core" {print $4}' "$source_folder/tools/deps.lock")
echo damaged >"$work/cache/downloads/$file"
run 1 --no-build
expect "$file is damaged: downloading it again"
expect "set-up failed in step 2/7"

# What an interrupted run left behind neither counts as done nor stays.
key=$(g++ -march=native -dM -E -x c++ /dev/null | LC_ALL=C sort |
  python3 "$source_folder/tools/deps.py" key compile "$source_folder/tools/compile_llama.sh" -)
mkdir -p "$work/cache/deps/.tmp-$key/llama" "$work/cache/deps/$key/llama"
run 1 --print-env
run 1 --no-build
[[ ! -e $work/cache/deps/.tmp-$key ]] || die "an unfinished folder was not swept"
checks=$((checks + 1))

# A full disk is told before anything is downloaded or compiled: how much is missing, for what, and the remedy.
mkdir "$work/bin"
cat >"$work/bin/df" <<'EOF'
#!/bin/bash
echo "Filesystem 1048576-blocks Used Available Capacity Mounted on"
echo "/dev/full 1000 900 100 90% /full"
EOF
chmod +x "$work/bin/df"
PATH=$work/bin:$PATH run 1 --no-build
expect "the disk of $work/cache has 100 MiB left, and 4500 MiB are needed (downloads 500, llama.cpp 2000, models 2000)"
expect "What to do: free 4400 MiB there, or set RAGTIME_CACHE to a folder on another disk"
if grep -q "Downloading" "$work/out"; then die "it went on"; fi

# A cache that cannot be made.
RAGTIME_CACHE=/proc/ragtime run 1 --no-build
expect "set RAGTIME_CACHE to a folder that can be written"

# A second set-up waits for the first one.
exec 7>"$work/cache/lock"
flock 7
"$source_folder/tools/setup.sh" --no-build >"$work/out" 2>&1 7>&- &
second=$!
for ((i = 0; i < 100; ++i)); do
  if grep -q "Another set-up" "$work/out"; then break; fi
  sleep 0.1
done
expect "Another set-up is using $work/cache"
kill -0 "$second" || die "the second set-up did not wait"
exec 7>&-
wait "$second"
expect "set-up failed in step 2/7"
echo "$checks checks passed"
