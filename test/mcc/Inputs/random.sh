#!/bin/sh
# random.sh PYTHON SCRIPT FOLDER FROM TO NATIVE: random networks, compiled in fp32 and INT8 for one level after the
# other, against the evaluator: INT8 equal to it.
python=$1 script=$2 dir=$3 seed=$4 to=$5 native=$6
mkdir -p "$dir"
while [ "$seed" -le "$to" ]; do
  net=$dir/$seed
  case $((seed % 3)) in 0) level=$native ;; 1) level=x86-64-v2 ;; *) level=x86-64 ;; esac
  o=$((seed % 4 == 0 ? 0 : 3))
  "$python" "$script" "$seed" "$net.mir" "$net.npz" &&
  mcc -quiet -O$o -march=$level "$net.mir" -o "$net.f.o" &&
  mc-run "$net.mir" --compare="$net.f.o" --limit=2 -atol=1e-3 -rtol=1e-3 > "$net.log" &&
  mcc -O3 -march=$level -quant=int8 -calib="$net.npz" "$net.mir" -o "$net.q.o" 2> "$net.log" &&
  { near=; grep -q ' 0 fp32;' "$net.log" || near='-atol=1e-3 -rtol=1e-3'; } &&   # a layer that 8 bits cannot carry stays in fp32
  mcc -quiet -O3 -march=$level -quant=int8 -calib="$net.npz" -emit=mir "$net.mir" -o "$net.q.mir" &&
  mc-run "$net.q.mir" --compare="$net.q.o" --limit=3 $near > "$net.log" ||
  { echo "seed $seed, -O$o -march=$level"; cat "$net.log"; exit 1; }
  seed=$((seed + 1))
done
echo "all equal"
