#!/bin/sh
# Many random networks (test/nets/README.md): seeds FROM to TO, in steps, so that little lies on the disk at a time.
# usage: many.sh BUILD FROM TO [PEERS]     PEERS: where bench/setup.sh has put ONNX Runtime; ONNX models are then compared with it
set -eu
build=$1 from=$2 to=$3 peers=${4:-none}
root=$(cd "$(dirname "$0")/../.." && pwd)
python=/usr/bin/python3 step=100 failed=0
work=$build/nets
levels=$("$build/test/unit/kernels-sweep" --levels | awk '$2 == "lacks" { b = b "," $1; next } { r = r "," $1 } END { print "--levels=" substr(r, 2), "--build=" substr(b ",armv8-a,armv8.6-a+i8mm", 2) }')
while [ "$from" -le "$to" ]; do
  last=$((from + step - 1))
  [ "$last" -le "$to" ] || last=$to
  rm -rf "$work"
  "$python" "$root/utils/random_net.py" "$from-$last" "$work/mir"
  "$python" "$root/utils/random_onnx.py" "$from-$last" "$work/onnx"
  [ "$peers" = none ] || "$python" "$root/test/nets/Inputs/onnx_peer.py" "$work/onnx" "$peers"
  # shellcheck disable=SC2086
  "$build/test/unit/nets" $levels --emulate --each=1 "$work/mir" "$work/onnx" || failed=1
  from=$((last + 1))
done
rm -rf "$work"
exit $failed
