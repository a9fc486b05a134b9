#!/bin/sh
# From a trained network to an INT8 object file, on the project's own example network: set up, build, import, quantize, compile, classify.
# usage: examples/quickstart.sh        (Debian 12, as root or with sudo; missing packages are installed)
set -eu
cd "$(dirname "$0")/.."
utils/setup.sh build
echo "== building mcc (build/release)"
cmake --preset release >/dev/null
cmake --build build/release --target tools >build/release/build.log 2>&1 || { tail -30 build/release/build.log; exit 1; }
PATH=$PWD/build/release/bin:$PATH
data=examples/quickstart
out=out/quickstart
mkdir -p "$out"

run() {
  echo "\$ $*"
  "$@"
}
echo "== import: raw 8-bit pixels in, the preprocessing baked into the graph"
run mc-import $data/shapes.onnx --input-layout=nhwc --input-type=u8 --preprocess="scale=1/255 mean=0.5,0.5,0.5 std=0.24,0.24,0.24" -o $out/shapes.mir
echo "== compile: once in fp32, once in INT8 with 256 images to calibrate on"
run mcc -O3 -march=native -quant=none $out/shapes.mir -o $out/shapes_fp32.o
run mcc -O3 -march=native -quant=int8 -calib=$data/calib.npz $out/shapes.mir -o $out/shapes_int8.o
echo "== link with a C program and run"
run cc -O2 -I $out $data/classify.c $out/shapes_fp32.o $out/shapes_int8.o -lzip -o $out/classify
echo
"$out/classify" $data/test.npz $out/shapes_fp32.o $out/shapes_int8.o
