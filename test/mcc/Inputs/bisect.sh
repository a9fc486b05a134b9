# usage: bisect.sh NET.mir OPTIONS...: compile with every -bisect-limit and compare each object with its planned graph
set -e
net=$1
shift
n=$(mcc -march=native -bisect-limit=0 "$@" "$net" -o all.o 2>&1 | grep -c '^// bisect: not running')
k=0
while [ $k -le "$n" ]; do
  mcc -quiet -march=native -bisect-limit=$k "$@" "$net" -o one.o 2>log
  mcc -quiet -march=native -bisect-limit=$k "$@" -emit=mir "$net" -o one.mir 2>log
  mc-run one.mir --compare=one.o --limit=2 --atol=1e-5 >log
  k=$((k + 1))
done
echo "all of $k limits"
