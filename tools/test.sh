#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every test: sets the machine up, builds, runs the suites one after another and prints the time of each.
#
# At most 40 minutes on 2 cores once the cache is full, 80 from an empty one. The suites:
#   fast     the release build, label fast: under a minute
#   slow     the release build, all other labels: real models, whole programs, crashes, installation, benches
#   dev      AddressSanitizer and UndefinedBehaviorSanitizer, label fast
#   tsan     ThreadSanitizer, the tests in which threads meet
#   format   clang-format-19
set -uo pipefail

usage() {
  cat <<'EOF'
usage: tools/test.sh [--fast] [--soak]
  --fast  only the fast tests of the release build
  --soak  soak tests run for ten minutes each instead of one
Environment: that of tools/setup.sh
EOF
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
fast_only=0
export RAGTIME_SOAK_SECONDS=60
for argument in "$@"; do
  case $argument in
    --fast) fast_only=1 ;;
    --soak) RAGTIME_SOAK_SECONDS=600 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

jobs=${RAGTIME_JOBS:-$(nproc)}
logs=$root/build/test-logs
passed=0
failed=0
summary=()
broken=()
mkdir -p "$logs"

# Runs one suite, shows its output, and counts: its tests where ctest ran them, else the suite as one test.
suite() {  # NAME COMMAND...
  local name=$1 log=$logs/$1.log started=$SECONDS code
  shift
  echo
  echo "==== $name"
  "$@" 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  local total=1 bad=0 counted
  counted=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log" | tail -n 1)
  if [[ -n $counted ]]; then read -r bad total <<<"$counted"; fi
  if ((code != 0 && bad == 0)); then bad=1 total=$((total > 0 ? total : 1)); fi
  passed=$((passed + total - bad))
  failed=$((failed + bad))
  if ((bad)); then
    broken+=("$name: $(sed -nE 's/^\s*[0-9]+ - (.*) \((.*)\)\s*$/\1/p' "$log" | tr '\n' ' ')see $log")
  fi
  summary+=("$(printf '%-16s %4d s  %5d passed %4d failed' "$name" $((SECONDS - started)) $((total - bad)) "$bad")")
  return "$code"
}

finish() {
  echo
  echo "==== Time of each suite"
  printf '%s\n' "${summary[@]}"
  if ((${#broken[@]})); then
    echo
    echo "==== What failed"
    printf '%s\n' "${broken[@]}"
  fi
  echo
  echo "All suites took $((SECONDS / 60)) min $((SECONDS % 60)) s."
  echo "$passed passed, $failed failed"
  if ((failed == 0 && passed > 0)); then exit 0; else exit 1; fi
}

# Builds a preset with the folders and the compiler cache that setup.sh made for the release build.
build_preset() {  # PRESET
  local launcher
  launcher=$(sed -n 's/^CMAKE_CXX_COMPILER_LAUNCHER:[A-Z]*=//p' build/release/CMakeCache.txt)
  cmake --preset "$1" -DRAGTIME_DEPS="$RAGTIME_DEPS" -DRAGTIME_MODELS="$RAGTIME_MODELS" \
    -DRAGTIME_SERVERS="$RAGTIME_SERVERS" -DRAGTIME_DEVELOPER_MODE=ON -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" \
    >"$logs/configure-$1.log" ||
    { cat "$logs/configure-$1.log"; return 1; }
  # Ninja's progress would fill a log with thousands of lines; its errors come through.
  NINJA_STATUS="[%f/%t] " cmake --build "build/$1" -j "$jobs" -- --quiet
}

format() {
  git ls-files -co --exclude-standard -- '*.h' '*.cc' | grep -E '^(include|src|tests|bench|fuzz|examples)/' |
    xargs clang-format-19 --dry-run -Werror
}

# A sanitizer's finding must fail the test that made it.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions='$root/tools/tsan_suppressions.txt'"
export TSAN_OPTIONS

threaded='^(ThreadPool|ThreadBudget|BoundedQueue|HttpClientTest|RetryTest|OpenAiGeneratorTest)\.'
threaded+='|^(RecallTest|SearchTest|AnswerTest|PipelineTest)\.'
threaded+='|^(SoakTest|EmbeddedStoreTest)\.|^StoreConformance\.ReadersGoOn'
threaded+='|^(RouteTest|SchedulerTest|ServerTest|PrefixCacheTest|StateWriterTest|TextTokensTest|RemoteStoreTest)\.'
threaded+='|^([A-Za-z]*/)?(CacheContract|Guard|MemoryCache|KeptResults|Hnsw|HnswIndex|SchedulerMemoryTest)\.'
threaded+='|^(DiskannIndex|DiskannFile|DiskReaderTest|OpenAiEmbedderTest|RequestLimit|LoadTest|TuneTest)\.'
threaded+='|^(KeptBeginningsTest|ChunkJoinsTest|AnswerWriterTest)\.'
threaded+='|^(KeptRepliesTest|QuestionVectorsTest|SearchLanes)\.|^jieba_dictionary_test'

# Measured: 0.8 GB release, 7.2 dev, 1.7 tsan, and what tests write. A compiler that finds the disk full half an hour
# later names a file of its own.
enough_disk() {
  local needed_gb=12 built_gb free_gb
  if ((fast_only)); then needed_gb=2; fi
  built_gb=$(du -s --block-size=1G build | cut -f1)
  free_gb=$(df --output=avail --block-size=1G build | tail -n 1 | tr -d ' ')
  if ((free_gb + built_gb >= needed_gb)); then return; fi
  echo "tools/test.sh: $root/build needs $needed_gb GB and its disk has $free_gb free ($built_gb are built)." >&2
  echo "Free some, or run tools/test.sh --fast, which needs 2 GB." >&2
  return 1
}

suite disk enough_disk || finish
suite set-up tools/setup.sh --dev || finish
folders=$(tools/setup.sh --print-env) || finish
eval "$(sed -E "s/^(RAGTIME_[A-Z]+)=(.*)$/export \1='\2'/" <<<"$folders")"
suite build-release build_preset release || finish
# One more than there are processors: a fifth of their time they wait (on two, 61 s instead of 73).
suite fast ctest --preset release -L fast -j "$((jobs + 1))" --no-tests=error
if ((fast_only)); then finish; fi
suite slow ctest --preset release -LE fast --no-tests=error
if suite build-dev build_preset dev; then suite dev ctest --preset dev -L fast -j "$jobs" --no-tests=error; fi
if suite build-tsan build_preset tsan; then
  # Not on servers: gRPC is not instrumented, and what is ours in it runs on the server in memory as well. Not
  # AreNeverStale: it embeds hundreds of texts, which takes ThreadSanitizer minutes, one after another.
  suite tsan ctest --preset tsan -R "$threaded" -E '/(Chroma|MilvusLite)|AreNeverStale' -j "$jobs" --no-tests=error
fi
suite format format
finish
