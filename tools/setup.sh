#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a machine ready and builds Ragtime: Debian packages, pinned downloads, llama.cpp, models, the servers that tests
# run, then build/release.
#
# What is done already is skipped, and nothing is trusted half: a step works in a folder of its own and renames it.
# Everything but the build itself lies outside the tree, in $RAGTIME_CACHE (default ~/.cache/ragtime), for every clone.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/setup.sh [--dev] [--cuda] [--no-build] [--print-env]
  --dev        also installs what tests, benches and checks need
  --cuda       with llama.cpp for NVIDIA GPUs, built into build/cuda; needs the CUDA toolkit (nvcc)
  --no-build   stops before Ragtime itself is built
  --print-env  prints the folders RAGTIME_DEPS, RAGTIME_MODELS and, after --dev, RAGTIME_SERVERS of this machine, and
               does nothing else
Environment: RAGTIME_CACHE (folder), RAGTIME_JOBS (compilers at once), RAGTIME_PYTHON (a Python 3.11);
pip and apt take their mirrors from their own configuration, for example PIP_INDEX_URL. RAGTIME_CRATES is
the sparse index of a mirror of Rust's registry, as Cargo would be told it.
EOF
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${RAGTIME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ragtime}
dev=0 build=1 print_env=0 cuda=0 preset=release
for argument in "$@"; do
  case $argument in
    --dev) dev=1 ;;
    --cuda) cuda=1 preset=cuda ;;
    --no-build) build=0 ;;
    --print-env) print_env=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

# Libraries smaller than llama.cpp: the folder of each below deps/, made of one package of deps.lock by one script.
parts=(milvus_proto hiredis faiss cppjieba)
declare -A part_use=([milvus_proto]=protocol [hiredis]=client [faiss]=index [cppjieba]=words)
declare -A part_package=([milvus_proto]=pymilvus [hiredis]=hiredis [faiss]=faiss-sys [cppjieba]=nodejieba)
# The script that is run, and what else of tools/ it reads.
declare -A part_recipe=([milvus_proto]="compile_milvus.sh milvus" [hiredis]=compile_hiredis.sh
  [faiss]="compile_faiss.sh faiss" [cppjieba]=unpack_jieba.sh)
declare -A part_done=()  # The file that says that it is whole, named by its key.

step_count=7
step=0
step_name="looking at this machine"
log=""
job=""
# Minutes that the steps take at most on 2 cores; what is skipped is set to 0. Measured on such a machine, doubled.
minutes_max=(0 4 8 1 15 4 4 6)

free_mib_of() {  # FOLDER
  df -Pm "$1" 2>/dev/null | awk 'NR == 2 {print $4}' || true
}

fail() {  # MESSAGE REMEDY
  {
    echo
    echo "set-up failed in step $step/$step_count ($step_name): $1"
    if [[ -n $log && -s $log ]]; then
      echo "The end of its log, $log:"
      tail -n 15 "$log" | sed 's/^/  | /'
    fi
    local folder free_mib
    for folder in "$cache" "$root"; do
      free_mib=$(free_mib_of "$folder")
      if [[ -n $free_mib && $free_mib -lt 200 ]]; then
        echo "The disk of $folder is nearly full: $free_mib MiB are left."
      fi
    done
    echo "What to do: $2"
    echo "Then run the same command again: it goes on where it stopped."
  } >&2
  exit 1
}

# Ends what still runs, also after Ctrl-C; a step's unfinished folder is swept at the next start.
cleanup() {
  if [[ -n $job ]]; then
    kill -TERM -- "-$job" 2>/dev/null || true
  fi
}
trap cleanup EXIT
trap 'echo; echo "set-up was stopped; run the same command again and it goes on." >&2; exit 130' INT TERM

begin_step() {  # NUMBER NAME TIME
  step=$1 step_name=$2
  local later=0 next
  for ((next = step + 1; next <= step_count; ++next)); do later=$((later + minutes_max[next])); done
  echo "[$step/$step_count] $step_name ($3; after it at most $later min)"
  step_started=$SECONDS
}

skip_step() {  # NUMBER WHAT
  echo "[$1/$step_count] $2: done already"
}

end_step() {
  log=""
  echo "      done in $((SECONDS - step_started)) s"
}

# Runs a command in a process group of its own with its output in $log, and shows that it moves: a line that is
# overwritten on a terminal, a line a minute elsewhere. Returns the command's exit code.
run_logged() {
  set -m
  "$@" >>"$log" 2>&1 </dev/null &
  job=$!
  set +m
  local started=$SECONDS shown=$SECONDS where
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.2
    where=$(tail -c 400 "$log" | tr '\r' '\n' | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 || true)
    if [[ -t 1 ]]; then
      printf '\r      %s %d s ' "$where" $((SECONDS - started))
    elif ((SECONDS - shown >= 60)); then
      echo "      $where $((SECONDS - started)) s"
      shown=$SECONDS
    fi
  done
  if [[ -t 1 ]]; then printf '\r%40s\r' ''; fi
  local code=0
  wait "$job" || code=$?
  job=""
  return $code
}

new_log() {  # NAME
  log=$cache/logs/$1.log
  mkdir -p "$cache/logs"
  : >"$log"
}

# ---- What the lock file asks for, and what is here.

debian_missing() {
  local uses=" build " kind package least use rest installed
  if ((dev)); then uses=" build dev "; fi
  while read -r kind package least use rest; do
    if [[ $kind != debian || $uses != *" $use "* ]]; then continue; fi
    # shellcheck disable=SC2016
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$package" 2>/dev/null |
      sed -n 's/^installed //p' | head -n 1)
    if [[ -z $installed ]] || ! dpkg --compare-versions "$installed" ge "$least"; then echo "$package"; fi
  done <"$root/tools/deps.lock"
  # An npm from elsewhere than Debian is as good, and none is needed for what was downloaded.
  if ! command -v npm >/dev/null &&
    [[ ! -e $cache/downloads/$(awk '$1 == "npm" {print $4}' "$root/tools/deps.lock") ]]; then echo npm; fi
}

find_python() {
  local candidate
  for candidate in "${RAGTIME_PYTHON:-}" /usr/bin/python3.11 python3.11 /usr/bin/python3; do
    if [[ -n $candidate ]] &&
      [[ $("$candidate" -c 'import sys; print(sys.version_info[:2] == (3, 11))' 2>/dev/null) == True ]]; then
      python=$candidate
      return 0
    fi
  done
  return 1
}

# The keys change with everything that the results depend on: pinned files, recipe, compiler and its native
# instructions (all of them are in the macros that the compiler predefines).
part_key() {  # PART
  local name recipe=()
  for name in ${part_recipe[$1]}; do recipe+=("$root/tools/$name"); done
  case $1 in
    milvus_proto) { g++ --version; protoc --version || true; } 2>/dev/null ;;
    cppjieba) ;;  # Nothing of it is compiled here.
    *) g++ -march=native -dM -E -x c++ /dev/null | LC_ALL=C sort ;;
  esac | "$python" "$root/tools/deps.py" key "${part_use[$1]}" "${recipe[@]}" -
}

parts_complete() {
  local part
  for part in "${parts[@]}"; do
    if [[ ! -e ${part_done[$part]} ]]; then return 1; fi
  done
}

find_folders() {
  local cuda_recipe=()
  if ((cuda)); then cuda_recipe=("$root/tools/cuda.cmake"); fi
  local llama_recipe=("$root/tools/compile_llama.sh" "$root/tools/llama")
  deps_key=$({ g++ -march=native -dM -E -x c++ /dev/null | LC_ALL=C sort
    if ((cuda)); then nvcc --version 2>/dev/null || true; echo "${RAGTIME_CUDA_ARCHITECTURES:-native}"; fi; } |
    "$python" "$root/tools/deps.py" key compile "${llama_recipe[@]}" "${cuda_recipe[@]}" -)
  models_key=$("$python" "$root/tools/deps.py" key model,convert "$root/tools/models")
  bench_key=$("$python" "$root/tools/deps.py" key bench,convert "$root/tools/models")
  python_key=$("$python" "$root/tools/deps.py" key fetch,convert)
  servers_key=$(sha256sum "$root/tools/servers.lock" | cut -c 1-16)
  deps=$cache/deps/$deps_key
  local part
  # Inside of the part, so that it goes with what another version replaces.
  for part in "${parts[@]}"; do part_done[$part]=$deps/$part/$(part_key "$part").done; done
  models=$cache/models/$models_key
  bench_done=$models/bench-$bench_key.done
  venv=$cache/python/$python_key
  servers=$cache/servers/$servers_key
}

# ---- The steps.

install_debian_packages() {
  local missing
  missing=$(debian_missing | tr '\n' ' ')
  if [[ -z $missing ]]; then
    skip_step 1 "Debian packages"
    return
  fi
  begin_step 1 "Installing Debian packages" "about 1-3 min"
  echo "      $missing"
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      fail "these Debian packages are missing, and there is no sudo: $missing" \
        "as root, run: apt-get update && apt-get install --no-install-recommends $missing"
    fi
    sudo true || fail "sudo was refused, and these Debian packages are missing: $missing" \
      "ask who administers this machine to run: apt-get install --no-install-recommends $missing"
    as_root=(sudo -n)
  fi
  new_log debian
  run_logged "${as_root[@]}" apt-get update ||
    fail "apt-get update failed" "check the network and the apt sources of this machine"
  # shellcheck disable=SC2086
  run_logged "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing ||
    fail "apt-get install failed" "check that the apt sources are those of Debian 12 (bookworm) or newer"
  missing=$(debian_missing | tr '\n' ' ')
  if [[ -n $missing ]]; then
    fail "these packages are still too old or missing: $missing" "use Debian 12 (bookworm) or newer"
  fi
  end_step
}

# The files of one registry that the lock file names for a use, each checked before it gets its name.
download() {  # REGISTRY USE...
  local registry=$1 name version file sha256 temporary=$cache/downloads/.tmp
  mkdir -p "$cache/downloads"
  while read -r name version file sha256; do
    if [[ -f $cache/downloads/$file ]]; then
      if "$python" "$root/tools/deps.py" verify "$cache/downloads/$file" 2>>"$log"; then continue; fi
      echo "      $file is damaged: downloading it again"
    fi
    echo "      $file"
    rm -rf "$temporary"
    mkdir -p "$temporary"
    "download_from_$registry" "$name" "$version" "$file" "$sha256" "$temporary" ||
      fail "$name $version could not be downloaded" \
        "check the network and the registry (pip config list, PIP_INDEX_URL; npm config get registry; RAGTIME_CRATES);
  or get $file (SHA-256 $sha256)
  elsewhere and put it into $cache/downloads"
    "$python" "$root/tools/deps.py" verify "$temporary/$file" 2>>"$log" ||
      fail "the registry gave another file than $file" "use one that serves the published files unchanged"
    mv "$temporary/$file" "$cache/downloads/$file"
    rm -rf "$temporary"
  done < <("$python" "$root/tools/deps.py" "$@")
}

# pip looks into a source package by running its build backend, which therefore is pinned and installed like everything
# else.
download_from_pypi() {  # NAME VERSION FILE SHA256 FOLDER
  local options=(--only-binary "$1")
  if [[ $3 == *.tar.gz ]]; then options=(--no-binary "$1" --no-build-isolation); fi
  echo "$1==$2 --hash=sha256:$4" >"$5/requirements.txt"
  run_logged "$venv/bin/python" -m pip --disable-pip-version-check download --no-deps --require-hashes "${options[@]}" \
    -r "$5/requirements.txt" -d "$5"
}

# Rust's registry, without Rust.
download_from_crate() {  # NAME VERSION FILE SHA256 FOLDER
  run_logged "$python" "$root/tools/deps.py" fetch-crate "$1" "$5"
}

# npm's, by npm, which knows where its registry is. Nothing of a package is run.
download_from_npm() {  # NAME VERSION FILE SHA256 FOLDER
  run_logged npm pack --silent --ignore-scripts --pack-destination "$5" "$1@$2"
}

pip_install() {  # USE...: into the virtual environment, from the verified downloads only
  local name version file sha256 files=()
  while read -r name version file sha256; do files+=("$cache/downloads/$file"); done \
    < <("$python" "$root/tools/deps.py" pypi "$@")
  run_logged "$venv/bin/python" -m pip --disable-pip-version-check install --no-index --no-deps "${files[@]}" ||
    fail "the Python packages could not be installed" "remove $venv"
}

# The virtual environment exists with pip alone before anything is downloaded; python.done says that it is whole.
make_venv() {
  if [[ -e $venv/pip.done ]] && "$venv/bin/python" -c 'import pip' 2>>"$log"; then return; fi
  rm -rf "$venv"
  run_logged "$python" -m venv "$venv" ||
    fail "a virtual environment for Python could not be made" "install python3-venv, or set RAGTIME_PYTHON"
  touch "$venv/pip.done"
}

fetch() {
  local uses=()
  if [[ ! -e $deps/complete ]]; then uses+=(compile); fi
  local part
  for part in "${parts[@]}"; do
    if [[ ! -e ${part_done[$part]} ]]; then uses+=("${part_use[$part]}"); fi
  done
  if [[ ! -e $models/complete ]]; then uses+=(model convert); fi
  if ((dev)) && [[ ! -e $bench_done ]]; then uses+=(bench convert); fi
  if [[ ${#uses[@]} == 0 ]]; then
    skip_step 2 "Downloads"
    return
  fi
  begin_step 2 "Downloading pinned packages" "about 1-6 min, 340 MB"
  new_log download
  make_venv
  download pypi fetch
  if [[ ! -e $venv/fetch.done ]]; then
    pip_install fetch
    touch "$venv/fetch.done"
  fi
  local registry
  for registry in pypi crate npm; do download "$registry" "${uses[@]}"; done
  end_step
}

# A folder appears by a rename, after everything in it is written; the file MARK says so.
publish() {  # TEMPORARY_FOLDER FOLDER [MARK]
  touch "$1/${3:-complete}"
  rm -rf "$2"
  mv "$1" "$2"
}

# Makes FOLDER of a downloaded package by a script of tools/. WORK, below compile/, is removed if that went well:
# llama.cpp goes on in it where an interrupted run stopped.
make_of_package() {  # WHAT SCRIPT ARCHIVE WORK FOLDER
  run_logged bash "$root/tools/$2" "$cache/downloads/$3" "$cache/compile/$4" "$5" "$jobs" ||
    fail "$1 could not be made" \
      "remove $cache/compile and $cache/downloads/$3; if memory ran out (\"Killed\"), set RAGTIME_JOBS=1"
  rm -rf "${cache:?}/compile/$4"
}

unpack_and_compile() {
  if [[ -e $deps/complete ]]; then
    skip_step 3 "OpenVINO"
    skip_step 4 "llama.cpp"
    return
  fi
  local wheel temporary=$cache/deps/.tmp-$deps_key
  wheel=$cache/downloads/$("$python" "$root/tools/deps.py" file openvino)
  rm -rf "$temporary"
  mkdir -p "$temporary"
  begin_step 3 "Unpacking OpenVINO" "some seconds"
  new_log openvino
  run_logged "$python" "$root/tools/deps.py" unpack-openvino "$wheel" "$temporary/openvino" ||
    fail "OpenVINO's package could not be unpacked" "remove $wheel"
  end_step

  if ((cuda)); then
    export CMAKE_TOOLCHAIN_FILE=$root/tools/cuda.cmake
    begin_step 4 "Compiling llama.cpp for GPUs" "3 min on 32 cores, about an hour on 2, once per machine"
  else
    begin_step 4 "Compiling llama.cpp" "about 3-12 min, once per machine"
  fi
  new_log llama
  make_of_package llama.cpp compile_llama.sh "$("$python" "$root/tools/deps.py" file llama-cpp-python)" \
    "llama-$deps_key" "$temporary/llama"
  unset CMAKE_TOOLCHAIN_FILE
  publish "$temporary" "$deps"
  end_step
}

make_part() {  # PART NAME TIME
  if [[ -e ${part_done[$1]} ]]; then return; fi
  local temporary=$deps/.tmp-$1
  begin_step 4 "Making $2" "$3, once per machine"
  new_log "$1"
  rm -rf "$temporary"
  make_of_package "$2" "${part_recipe[$1]%% *}" "$("$python" "$root/tools/deps.py" file "${part_package[$1]}")" \
    "$1" "$temporary"
  publish "$temporary" "$deps/$1" "$(basename "${part_done[$1]}")"
  end_step
}

convert_models() {
  local bench_missing=0
  if ((dev)) && [[ ! -e $bench_done ]]; then bench_missing=1; fi
  if [[ -e $models/complete && $bench_missing == 0 ]]; then
    skip_step 5 "Models"
    return
  fi
  begin_step 5 "Converting the models" "about 1-3 min"
  new_log models
  if [[ ! -e $venv/convert.done ]]; then
    pip_install convert
    touch "$venv/convert.done"
  fi
  local temporary=$cache/models/.tmp-$models_key command
  command=("$venv/bin/python" "$root/tools/models/build.py" --downloads "$cache/downloads" --deps "$deps")
  if [[ ! -e $models/complete ]]; then
    rm -rf "$temporary"
    mkdir -p "$temporary"
    run_logged "${command[@]}" --out "$temporary" ||
      fail "the models could not be converted" "the log says why; if memory or disk ran out, free some"
    publish "$temporary" "$models"
  fi
  if ((bench_missing)); then
    rm -rf "$temporary"
    mkdir -p "$temporary"
    run_logged "${command[@]}" --bench --out "$temporary" ||
      fail "the model of the benches could not be converted" "the log says why; if memory or disk ran out, free some"
    local folder
    for folder in "$temporary"/*/; do
      if [[ ! -d $folder ]]; then continue; fi
      rm -rf "$models/$(basename "$folder")"
      mv "$folder" "$models/"
    done
    rm -rf "$temporary"
    touch "$bench_done"
  fi
  end_step
}

# Programs in an environment know its folder, so that it is made in place; the file "complete" says that it is whole.
install_servers() {
  if ((!dev)); then
    echo "[6/$step_count] Servers that tests run: only with --dev"
    return
  fi
  if [[ -e $servers/complete ]]; then
    skip_step 6 "Servers that tests run"
    return
  fi
  begin_step 6 "Installing the servers that tests run" "about 1-3 min, 270 MB"
  new_log servers
  rm -rf "$servers"
  run_logged "$python" -m venv "$servers" ||
    fail "a virtual environment for Python could not be made" "install python3-venv, or set RAGTIME_PYTHON"
  run_logged "$servers/bin/python" -m pip --disable-pip-version-check install --no-cache-dir --no-deps \
    --require-hashes --only-binary :all: -r "$root/tools/servers.lock" ||
    fail "the servers could not be installed" "check the network and pip's index (pip config list, PIP_INDEX_URL)"
  touch "$servers/complete"
  end_step
}

build_ragtime() {
  begin_step 7 "Building Ragtime" "about 2-6 min, seconds from the compiler cache"
  log=$root/build/setup-build.log
  mkdir -p "$root/build"
  : >"$log"
  exec 8>"$root/build/.setup-lock"
  flock 8
  cd "$root"
  local options=(-DRAGTIME_DEPS="$deps" -DRAGTIME_MODELS="$models" "$(launcher_option)") developer_mode=OFF
  if [[ -e $servers/complete ]]; then options+=(-DRAGTIME_SERVERS="$servers"); fi
  # Tests stay in a build that has them, and are not asked for where their packages are missing.
  if ((dev)) || grep -qs '^RAGTIME_DEVELOPER_MODE:BOOL=ON' "build/$preset/CMakeCache.txt"; then developer_mode=ON; fi
  run_logged cmake --preset "$preset" "${options[@]}" -DRAGTIME_DEVELOPER_MODE=$developer_mode ||
    fail "cmake could not configure the build" "if this folder was copied or moved, remove $root/build/$preset"
  run_logged cmake --build "build/$preset" --target ragtime -j "$jobs" ||
    fail "Ragtime did not compile" "if memory ran out (\"Killed\"), set RAGTIME_JOBS=1; else the log names the file"
  exec 8>&-
  end_step
}

# The compiler cache is shared by all clones: paths below a clone's root are hashed relative to it.
launcher_option() {
  if command -v ccache >/dev/null; then
    local folder=${CCACHE_DIR:-$cache/ccache}
    echo "-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_DIR=$folder;CCACHE_BASEDIR=$root;CCACHE_NOHASHDIR=1;ccache"
  else
    echo "-DCMAKE_CXX_COMPILER_LAUNCHER="
  fi
}

count_jobs() {
  local cores memory_gib
  cores=$(nproc)
  memory_gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
  jobs=$((memory_gib / 2 < cores ? memory_gib / 2 : cores))
  jobs=${RAGTIME_JOBS:-$((jobs < 1 ? 1 : jobs))}
}

look_at_machine() {
  if [[ $(uname -s)-$(uname -m) != Linux-x86_64 ]]; then
    fail "this is $(uname -s) on $(uname -m)" "use Linux on an x86-64 processor: OpenVINO is pinned for it"
  fi
  if ((cuda)) && ! command -v nvcc >/dev/null; then
    fail "there is no nvcc on PATH, which --cuda needs" \
      "install NVIDIA's CUDA toolkit 11.8 or newer and add its bin folder to PATH, or leave --cuda out"
  fi
  if ! command -v dpkg-query >/dev/null; then
    fail "this is not a Debian system" "use Debian 12 (bookworm) or newer, or a container of it"
  fi
  mkdir -p "$cache" 2>/dev/null ||
    fail "the folder $cache cannot be made" "set RAGTIME_CACHE to a folder that can be written"
  exec 9>"$cache/lock"
  if ! flock -n 9; then
    echo "Another set-up is using $cache; waiting for it to end."
    flock 9
  fi
}

# Says before the first step what is left to do, so that the times shown add up.
plan() {
  if ((cuda)); then minutes_max[4]=120; fi
  if [[ -z $(debian_missing) ]]; then minutes_max[1]=0; fi
  if ! command -v g++ >/dev/null || ! find_python; then return; fi
  find_folders
  if [[ -e $deps/complete ]]; then minutes_max[3]=0 minutes_max[4]=0; fi
  if [[ -e $models/complete ]] && { ((!dev)) || [[ -e $bench_done ]]; }; then minutes_max[5]=0; fi
  if ((minutes_max[4] + minutes_max[5] == 0)) && parts_complete; then minutes_max[2]=0; fi
  if ((!dev)) || [[ -e $servers/complete ]]; then minutes_max[6]=0; fi
}

# Before a compiler or a download finds the disk full, which neither says clearly. Mebibytes, above what was measured.
check_disk() {
  local mib=0 parts_of=()
  need() {  # WHAT MIB
    mib=$((mib + $2))
    parts_of+=("$1 $2")
  }
  require() {  # FOLDER REMEDY
    local free_mib what
    free_mib=$(free_mib_of "$1")
    if [[ -z $free_mib ]] || ((free_mib >= mib)); then return; fi
    what=$(printf ', %s' "${parts_of[@]}")
    fail "the disk of $1 has $free_mib MiB left, and $mib MiB are needed (${what:2})" \
      "free $((mib - free_mib)) MiB there, or $2"
  }
  if ((minutes_max[2] > 0)); then need downloads 500; fi
  if ((minutes_max[4] > 0)); then need llama.cpp 2000; elif ! parts_complete; then need libraries 300; fi
  if ((minutes_max[5] > 0)); then need models 2000; fi
  if ((minutes_max[6] > 0)); then need servers 1500; fi
  require "$cache" "set RAGTIME_CACHE to a folder on another disk"
  if ((!build)) || [[ -e $root/build/$preset/build.ninja ]]; then return; fi
  if [[ $(stat -c %d "$cache") != "$(stat -c %d "$root")" ]]; then mib=0 parts_of=(); fi
  need "build/$preset" 500
  require "$root" "clone Ragtime to another disk"
}

if ((print_env)); then
  find_python && find_folders && [[ -e $deps/complete && -e $models/complete ]] && parts_complete || {
    echo "There is no complete set-up for this machine in $cache: run tools/setup.sh." >&2
    exit 1
  }
  echo "RAGTIME_DEPS=$deps"
  echo "RAGTIME_MODELS=$models"
  if [[ -e $servers/complete ]]; then echo "RAGTIME_SERVERS=$servers"; fi
  exit 0
fi

look_at_machine
plan
check_disk
count_jobs
install_debian_packages
find_python ||
  fail "there is no Python 3.11 here" "install python3 of Debian 12, or set RAGTIME_PYTHON to a Python 3.11"
find_folders
# What an interrupted run left; nobody else uses these names while the lock is held.
rm -rf "$cache"/deps/.tmp-* "$cache"/models/.tmp-* "$cache"/downloads/.tmp
fetch
unpack_and_compile
make_part milvus_proto "the messages of Milvus" "about 1-3 min"
make_part hiredis hiredis "some seconds"
make_part faiss "the k-means of Faiss" "about 1-2 min"
make_part cppjieba cppjieba "some seconds"
convert_models
install_servers
exec 9>&-
if ((build)); then build_ragtime; fi
