# usage: bisect.sh LEVEL NET.mir OPTIONS...: compile with every -bisect-limit and compare each object with its planned graph
set -e
level=$1 net=$2
shift 2
n=$(mcc -march=$level -bisect-limit=0 "$@" "$net" -o all.o 2>&1 | grep -c '^// bisect: not running')
k=0
while [ $k -le "$n" ]; do
  mcc -quiet -march=$level -bisect-limit=$k "$@" "$net" -o one.o 2>log
  mcc -quiet -march=$level -bisect-limit=$k "$@" -emit=mir "$net" -o one.mir 2>log
  mc-run one.mir --compare=one.o --limit=2 --atol=1e-5 >log
  k=$((k + 1))
done
echo "all of $k limits"
