#!/bin/sh
# chains.sh PYTHON SCRIPT FOLDER FROM TO NATIVE: random chains, compiled with every link that can be and without any, in INT8 and fp32: the same bytes.
python=$1 script=$2 dir=$3 seed=$4 to=$5 native=$6
mkdir -p "$dir"
wide=$native
grep -qw avx512bw /proc/cpuinfo && wide=avx512
compile() { mcc -quiet -O3 -march=$level -chain=off "$@"; }
while [ "$seed" -le "$to" ]; do
  net=$dir/$seed
  case $((seed % 4)) in 0) level=$native ;; 1) level=x86-64-v3 ;; 2) level=$wide ;; *) level=x86-64 ;; esac
  rows=$((seed % 5 < 3 ? 0 : seed % 5 - 2))
  "$python" "$script" "$seed" "$net.mir" "$net.npz" || exit 1
  for how in int8 none; do
    compile -quant=$how -calib="$net.npz" "$net.mir" -o "$net.off.o" &&
    text=$(compile -quant=$how -calib="$net.npz" -print-pipeline "$net.mir") &&
    compile -pass-pipeline="$text,form-chains{goal=all rows=$rows}" -stats "$net.mir" -o "$net.on.o" 2>> "$dir/stats" &&
    mc-run "$net.off.o" --compare="$net.on.o" --limit=2 > "$net.log" ||
    { echo "seed $seed, -march=$level -quant=$how rows=$rows"; cat "$net.log"; exit 1; }
  done
  seed=$((seed + 1))
done
awk '/form-chains +links/ { n += $1 } END { print "all equal, " n " links" }' "$dir/stats"
