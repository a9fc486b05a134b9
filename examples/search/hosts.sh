#!/bin/sh
# mc-search on several machines, by GNU parallel and ssh. Latency is measured on this one.
#   examples/search/hosts.sh NET.mir CALIB.npz EVAL.npz HOSTS [options of mc-search]
# HOSTS are parallel's: "4/fast,2/slow" runs 4 candidates at a time on fast and 2 on slow; ":" is this
# machine. They must see the working folder and the tools under the same names, and run the level that
# -march= names. jobs.log tells what ran where, and for how long.
# example: examples/search/hosts.sh net.mir calib.npz val.npz 2/one,2/two --max-latency=0.5
set -eu
if [ $# -lt 5 ]; then
  sed -n '2,7s/^# //p' "$0" >&2
  exit 2
fi
net=$1 data=$2 eval=$3 hosts=$4
shift 4
exec mc-search "$net" --data="$data" --eval="$eval" --sshlogin="$hosts" --joblog=jobs.log "$@"
