#!/bin/sh
# Sets up the side-by-side comparison in a folder of its own: ONNX Runtime's library from npm, the programs of bench/compare and bench/peaks.c built.
# Optional and never part of the build or the tests.
#
#   bench/setup.sh [DIR]          DIR: build/peers by default; the network is used for npm only
#
# A peer that is missing is named at the end; compare.py then leaves its columns empty.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-build/peers}
version=1.30.0
mkdir -p "$dir"
missing=

case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch=none ;; esac
lib="node_modules/onnxruntime-node/bin/napi-v6/linux/$arch/libonnxruntime.so.1"
if [ ! -e "$dir/$lib" ]; then
  if command -v npm >/dev/null; then
    # --ignore-scripts: the package's own script would fetch GPU libraries
    npm install --ignore-scripts --no-audit --no-fund --prefix "$dir" "onnxruntime-node@$version" || echo "setup: npm failed" >&2
  else
    echo "setup: there is no npm (Debian: apt-get install npm)" >&2
  fi
fi
if [ -e "$dir/$lib" ]; then ln -sf "$lib" "$dir/libonnxruntime.so"; else missing="$missing ONNX-Runtime"; fi

link=
if echo '#include <oneapi/dnnl/dnnl.h>' | cc -E - >/dev/null 2>&1; then link=-ldnnl; else missing="$missing oneDNN(apt-get:libdnnl-dev)"; fi

flags="-std=gnu17 -O2 -march=native -ffp-contract=fast -Wall -Wextra"
pool="-D_GNU_SOURCE -I$here/../include $here/../rt/pool.c $here/../rt/topology.c"
cc $flags "$here"/compare/clock.c "$here"/compare/object.c "$here"/compare/ort.c "$here"/compare/dnnl.c "$here"/compare/main.c $pool -pthread -o "$dir/compare" -ldl -lm $link
cc $flags "$here"/compare/clock.c "$here"/compare/object.c "$here"/compare/profile.c $pool -pthread -o "$dir/profile" -ldl
cc $flags "$here"/peaks.c -o "$dir/peaks" || missing="$missing peaks(x86-64)"
cc $flags "$here"/tile_costs.c -o "$dir/tile_costs" || missing="$missing tile_costs(x86-64)"

/usr/bin/python3 -c 'import numpy, onnx' 2>/dev/null || missing="$missing models.py(apt-get:python3-numpy,python3-onnx)"
if [ -n "$missing" ]; then echo "setup: missing:$missing"; else echo "setup: all peers are in $dir"; fi
