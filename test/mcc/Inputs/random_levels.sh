#!/bin/sh
# random_levels.sh PYTHON SCRIPT FOLDER FROM TO RUN LEVEL ...: random INT8 networks, one object for all levels, each of them run by RUN against the evaluator.
python=$1 script=$2 dir=$3 seed=$4 to=$5 run=$6
shift 6
list=$(echo "$*" | tr ' ' ',')
mkdir -p "$dir"
while [ "$seed" -le "$to" ]; do
  net=$dir/$seed
  "$python" "$script" "$seed" "$net.mir" "$net.npz" &&
  mcc -quiet -O3 "-march=dispatch=$list" -quant=int8 -calib="$net.npz" "$net.mir" -o "$net.o" &&
  mcc -quiet -O3 -quant=int8 -calib="$net.npz" -emit=mir "$net.mir" -o "$net.q.mir" || exit 1
  for level in "$@"; do
    "$run" "$net.q.mir" --compare="$net.o" --level="$level" --limit=2 > "$net.log" || { echo "seed $seed, level $level"; cat "$net.log"; exit 1; }
  done
  seed=$((seed + 1))
done
echo "all equal"
