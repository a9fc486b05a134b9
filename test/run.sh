#!/bin/sh
# Build mcc and run all its tests.
# usage: test/run.sh [PRESET] [lit options or test folders...]     PRESET: release (default), dev, asan
set -eu
cd "$(dirname "$0")/.."
preset=release
case "${1:-}" in release | dev | asan) preset=$1; shift ;; esac
utils/setup.sh test
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset"
python=/usr/bin/python3
lit=/usr/lib/llvm-19/build/utils/lit/lit.py
[ $# -gt 0 ] || set -- "build/$preset/test"
status=0
$python $lit -v --order=smart --timeout 900 --output "build/$preset/results.json" "$@" >"build/$preset/test.log" 2>&1 || status=$?
exec $python utils/test_summary.py "build/$preset/results.json" "build/$preset/test.log" "$status"
