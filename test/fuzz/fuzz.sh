#!/bin/sh
# Fuzz one target from its corpus, and keep what is new in build/fuzz/corpus/TARGET.
# usage: test/fuzz/fuzz.sh parse|safetensors|npz|onnx [SECONDS [libFuzzer options...]]
set -eu
cd "$(dirname "$0")/../.."
target=$1 seconds=${2:-180}
shift; [ $# -eq 0 ] || shift
[ -d build/fuzz ] || cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "${target}_fuzz" >/dev/null
seeds=
case $target in parse) seeds="test/ir test/syntax" ;; onnx) seeds=test/Inputs/onnx ;; esac
work=build/fuzz/corpus/$target
mkdir -p "$work" "test/fuzz/corpus/$target"
if [ "$target" = parse ]; then # words for the mutator: from the tables that the parser itself is made from
  sed -nE -e 's/^ *MC_(OP|BINARY_|UNARY_|REDUCE_|DTYPE)\(([a-z_0-9]+).*/"\2"/p' \
    -e 's/^ *MC_(ATTR[NEQ]?|CASE)\([a-z_0-9]+, *([a-z_0-9]+).*/"\2"/p' include/mc/ir/*.def |
    sort -u >build/fuzz/mir.dict
  set -- -dict=build/fuzz/mir.dict "$@"
fi
# shellcheck disable=SC2086
exec nice -n 15 "build/fuzz/test/fuzz/${target}_fuzz" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=8192 -print_final_stats=1 \
  -artifact_prefix=build/fuzz/ "$@" "$work" "test/fuzz/corpus/$target" $seeds
