#!/bin/sh
# Build mcc and run its tests.
set -eu
cd "$(dirname "$0")/.."
help() {
  cat <<'END'
usage: test/run.sh [PRESET] [lit options or test folders...]     PRESET: release (default), dev, asan
       test/run.sh long [JOB...]     what takes long, in the release build: every job, or those named
       test/run.sh native=LEVEL [lit options or test folders...]  with LEVEL in the place of this machine

A folder is one of the build: build/release/test/mcc. Jobs of 'long':
  suite    all tests, and with them those that say 'REQUIRES: long'
  levels   tests that compile for this machine (%native), once more for each level of its
           architecture; for a level that it can neither run nor emulate up to what must run
  nets     5000 random networks and 5000 random ONNX models, in all arithmetics and levels,
           against the evaluator, and against ONNX Runtime where MC_PEERS says where it is
  clang    everything compiled by clang, warnings are errors
  tidy     clang-tidy with the checks of .clang-tidy; minutes
example: test/run.sh long levels
END
}
python=/usr/bin/python3
lit=/usr/lib/llvm-19/build/utils/lit/lit.py
preset=release
build() {
  utils/setup.sh test
  cmake --preset "$preset" >/dev/null
  cmake --build "build/$preset"
}
# tests NAME [lit options or folders...]: runs them; results in build/PRESET/NAME.{json,log}.
tests() {
  name=build/$preset/$1 status=0
  shift
  $python $lit -v --order=smart --output "$name.json" "$@" >"$name.log" 2>&1 || status=$?
  $python utils/test_summary.py "$name.json" "$name.log" "$status"
}
# Files of the build's test folder whose text, or a script of theirs, has %native.
native_tests() {
  grep -rl --include='*.test' --include='*.mir' '%native' test | sed "s#^#build/$preset/#"
}
job_suite() {
  command -v bochs >/dev/null || {
    echo "bochs is not installed: nothing runs for AVX-512 on a machine without it"
    echo "(optional: apt-get install bochs bochs-term bochsbios vgabios)"
  }
  MCC_LONG_TESTS=1 tests long --timeout 3600 "build/$preset/test"
}
job_levels() {
  failed=0
  "build/$preset/test/unit/kernels-sweep" --levels >"build/$preset/levels"
  while read -r level how; do
    echo "== native=$level: $how"
    # shellcheck disable=SC2046
    tests "native-$level" --timeout 3600 --param "native=$level" $(native_tests) || failed=1
  done <"build/$preset/levels"
  return $failed
}
job_nets() {
  test/nets/many.sh "build/$preset" 1 5000 ${MC_PEERS:+"$MC_PEERS"}
}
job_clang() {
  CC=clang-19 cmake -S . -B build/clang -G Ninja -DLLVM_DIR=/usr/lib/llvm-19/lib/cmake/llvm \
    -DCMAKE_BUILD_TYPE=Release -DMCC_WERROR=ON >/dev/null
  cmake --build build/clang -- -k 0
}
job_tidy() {
  utils/tidy.sh -b "build/$preset"
}

case "${1:-}" in
-h | --help) help && exit 0 ;;
long)
  shift
  [ $# -gt 0 ] || set -- suite levels nets clang tidy
  for job in "$@"; do
    case $job in suite | levels | nets | clang | tidy) ;; *) echo "test/run.sh: there is no job '$job'" >&2 && help >&2 && exit 2 ;; esac
  done
  utils/setup.sh long
  build
  failed=0
  for job in "$@"; do
    echo "job $job"
    "job_$job" || failed=1
  done
  exit $failed
  ;;
native=*)
  level=$1
  shift
  build
  [ $# -gt 0 ] || set -- "build/$preset/test"
  tests "native-${level#*=}" --timeout 3600 --param "$level" "$@"
  exit
  ;;
release | dev | asan) preset=$1 && shift ;;
esac
build
[ $# -gt 0 ] || set -- "build/$preset/test"
tests test --timeout 900 "$@"
