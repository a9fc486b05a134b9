#!/bin/sh
# Do two versions of the compiler make the same objects? For changes that must not change code.
#
#   utils/same_objects.sh [-q] [-j JOBS] [-n SEEDS] BASE [HEAD]
#
# BASE, HEAD: commits; without HEAD, the working tree. Each is built (in build/same) and compiles, for
# every level of targets.def:
#   - random networks 1 to SEEDS (default 40): fp32, INT8, bf16, INT8 for four threads
#   - the networks of bench/networks.py and the other .onnx files of MC_MODELS (default ../shared/models;
#     skipped when absent): fp32, INT8 where there are samples, bf16, and INT8 with -Os
# -q: random networks, and of the others only fp32 and INT8 for x86-64-v3 and armv8-a.
# Prints what differs with the two commands, and the CPU seconds of both. What commits gave is kept in
# build/same. Exit codes: 0 the same bytes, 1 some differ, 2 usage or a failure.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
same=$root/build/same
# shellcheck source=utils/same_objects_jobs.sh
. "$root/utils/same_objects_jobs.sh"

usage() {
  sed -n '2,16s/^# \{0,1\}//p' "$0"
  exit "$1"
}
fail() {
  echo "same_objects: error: $*" >&2
  exit 2
}

quick=0 jobs=$(nproc) seeds=40
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help | -help) usage 0 ;;
    -q) quick=1 ;;
    -j | -n)
      case "${2:-}" in '' | *[!0-9]*) fail "$1 takes a number" ;; esac
      if [ "$1" = -j ]; then jobs=$2; else seeds=$2; fi
      shift ;;
    -*) usage 2 >&2 ;;
    *) break ;;
  esac
  shift
done
case $# in 1 | 2) ;; *) usage 2 >&2 ;; esac
mkdir -p "$same"

# The tools of a commit are in $same/COMMIT/bin; those of the working tree are built where they are.
build_commit() {
  dir=$same/$1
  [ ! -x "$dir/bin/mcc" ] || return 0
  rm -rf "$dir" && mkdir -p "$dir/src"
  git -C "$root" archive "$1" | tar -x -C "$dir/src"
  if ! { cmake -S "$dir/src" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DLLVM_DIR=/usr/lib/llvm-19/lib/cmake/llvm &&
    cmake --build "$dir/build" --target mcc mc-import mc-opt; } > "$dir/log" 2>&1; then
    fail "$1 does not build: $dir/log"
  fi
  cp -r "$dir/build/bin" "$dir/bin"
  rm -rf "$dir/build" "$dir/src"
}
commit_of() { git -C "$root" rev-parse --verify --quiet "$1^{commit}" || fail "no commit '$1'"; }

base=$(commit_of "$1")
build_commit "$base"
if [ $# = 2 ]; then
  head=$(commit_of "$2")
  build_commit "$head"
else
  head=tree
  cmake --build "$root/build/release" --target mcc mc-import mc-opt > "$same/log" 2>&1 ||
    fail "the working tree does not build in build/release: $same/log"
  rm -rf "$same/tree" && mkdir -p "$same/tree" && cp -r "$root/build/release/bin" "$same/tree/bin"
fi

make_networks "$root" "$same" "$seeds"
for side in "$base" "$head"; do
  run_jobs "$same" "$side" "$quick" "$jobs" "$seeds"
done
compare "$same" "$base" "$head"
