#!/bin/bash
# types.sh FOLDER NET.mir f64...: accuracy of the network in each type, on its text and its object,
# with samples of f64, f16 and i64 (d.npz, h.npz, i.npz).
set -eu
folder=$1 net=$2
shift 2
for type; do
  sed "s/f64/$type/g" "$net" >"$folder/$type.mir"
  mcc -quiet "$folder/$type.mir" -o "$folder/$type.o"
  for data in d h i; do
    mc-eval "$folder/$type.mir" --data="$folder/$data.npz"
    mc-eval "$folder/$type.o" --data="$folder/$data.npz"
  done
done
