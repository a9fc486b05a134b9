# shellcheck shell=sh disable=SC2016,SC2154
# The networks, the compilations and the comparison of same_objects.sh. A job is a line
# "NAME LEVEL VARIANT"; its results are lines of $same/SIDE/results: "NAME LEVEL VARIANT CHECKSUM", where
# the checksum is that of object and header, or of the error message.

same_jobs=$root/utils/same_objects_jobs.sh # for the shells that xargs starts
levels="x86-64 x86-64-v2 x86-64-v3 x86-64-v3+avxvnni avx512 avx512vnni avx512bf16 sapphirerapids
  armv8-a armv8.6-a+i8mm"

# NAME: a random network, its samples beside it.
make_networks() { # root same seeds
  mkdir -p "$2/random"
  [ -f "$2/random/$3.mir" ] || /usr/bin/python3 "$1/utils/random_net.py" "1-$3" "$2/random" > "$2/log"
  models=${MC_MODELS:-$1/../shared/models}
  rm -f "$2/real"
  if [ ! -d "$models" ]; then
    echo "same_objects: $models is not there: its networks are skipped" >&2
    : > "$2/real"
    return
  fi
  /usr/bin/python3 - "$1/bench" "$models" > "$2/real" << 'PYTHON'
import pathlib, shlex, sys
sys.path.insert(0, sys.argv[1])
from networks import ROAD, import_args
models = pathlib.Path(sys.argv[2]).resolve()
seen = set()
for name, net in ROAD.items():
    seen.add(models / net["model"])
    print(name, models / net["model"], models / net["calib"] if net.get("calib") else "-",
          *map(shlex.quote, import_args(net)))
for file in sorted(models.rglob("*.onnx")):
    if file not in seen:
        print("-".join(file.relative_to(models).with_suffix("").parts), file, "-")
PYTHON
}

# What mcc -quant=int8 runs for samples, in two parts: up to quantize, once for a network, and the rest.
int8_passes() { "$1/bin/mcc" -O3 -quant=int8 "-calib=$2" -print-pipeline "-march=$4" "$3"; }
quantize_one() { # dir net calib out
  "$1/bin/mc-opt" --pass-pipeline="$(int8_passes "$1" "$3" "$2" x86-64-v3 | sed 's/\(,quantize{[^}]*}\).*/\1/')" \
    "$2" -o "$4.int8.mir" 2> "$4.log" || rm -f "$4.int8.mir"
}

# Each side imports and quantizes by itself. A line is a network of `real`.
prepare_one() { # same side name file calib options...
  dir=$1/$2 file=$4 calib=$5 out=$1/$2/nets/$3
  shift 5
  "$dir/bin/mc-import" "$file" "$@" -o "$out.mir" > "$out.log" 2>&1 || return 0
  [ "$calib" = - ] || quantize_one "$dir" "$out.mir" "$calib" "$out"
  echo "$calib" > "$out.calib"
}
prepare_random() { # same side number
  quantize_one "$1/$2" "$1/random/$3.mir" "$1/random/$3.npz" "$1/$2/random/$3"
}
prepare() { # same side jobs seeds
  mkdir -p "$1/$2/nets" "$1/$2/random" "$1/$2/out"
  xargs -P "$3" -L 1 sh -c '. "$1"; shift; prepare_one "$@"' sh "$same_jobs" "$1" "$2" < "$1/real"
  seq "$4" | xargs -P "$3" -L 1 sh -c '. "$1"; shift; prepare_random "$@"' sh "$same_jobs" "$1" "$2"
}

list_jobs() { # same quick seeds
  for level in $levels; do
    i=1
    while [ $i -le "$3" ]; do
      for variant in none int8 bf16 threads; do echo "random/$i $level $variant"; done
      i=$((i + 1))
    done
    case "$2$level" in 0* | 1x86-64-v3 | 1armv8-a) ;; *) continue ;; esac
    while read -r name _ calib _; do
      echo "$name $level none"
      [ "$calib" = - ] || echo "$name $level int8"
      [ "$2" = 0 ] || continue
      echo "$name $level bf16"
      [ "$calib" = - ] || echo "$name $level small"
    done < "$1/real"
  done
}

# One job; called through xargs.
one_job() { # same side name level variant
  dir=$1/$2 name=$3 level=$4 variant=$5 out=$1/$2/out/$(echo "$3-$4-$5" | tr / -)
  case "$name" in
    random/*) net=$1/$name.mir calib=$1/$name.npz made=$dir/$name ;;
    *) made=$dir/nets/$name net=$made.mir calib=$(cat "$made.calib" 2> /dev/null || true) ;;
  esac
  set -- "-O3"
  case "$variant" in
    bf16) set -- -O3 -quant=bf16 ;;
    small) set -- -Os ;;
    threads) set -- -O3 -threads=4 ;;
  esac
  case "$variant" in
    int8 | small | threads)
      rest=$(int8_passes "$dir" "$calib" "$net" "$level" 2> /dev/null | sed 's/.*,quantize{[^}]*},//')
      net=$made.int8.mir
      set -- "$@" "-pass-pipeline=$rest" ;;
  esac
  case "$level" in armv*) set -- "$@" -target=aarch64 ;; esac
  if "$dir/bin/mcc" "$@" "-march=$level" -quiet -name=net "$net" -o "$out.o" 2> "$out.err"; then
    sum=$(cat "$out.o" "$out.h" | sha256sum | cut -c1-32)
  else
    sum=error-$(sed "s#$dir##g" "$out.err" | sha256sum | cut -c1-24)
  fi
  rm -f "$out.o" "$out.h" "$out.err"
  echo "$name $level $variant $sum"
}

run_jobs() { # same side quick jobs seeds
  results=$1/$2/results-$3-$5
  if [ "$2" = tree ] || [ ! -f "$results" ]; then
    prepare "$1" "$2" "$4" "$5"
    list_jobs "$1" "$3" "$5" > "$1/$2/jobs"
    echo "same_objects: $(wc -l < "$1/$2/jobs") objects by $2" >&2
    /usr/bin/time -f '%U %S' -o "$1/$2/seconds" xargs -P "$4" -L 1 sh -c \
      '. "$1"; shift; one_job "$@"' sh "$same_jobs" "$1" "$2" < "$1/$2/jobs" > "$results.part"
    sort "$results.part" > "$results"
    rm "$results.part"
    awk '{ printf "%.0f\n", $1 + $2 }' "$1/$2/seconds" > "$results.seconds"
  fi
  cp "$results" "$1/$2/results" && cp "$results.seconds" "$1/$2/cpu"
}

compare() { # same base head
  total=$(wc -l < "$1/$2/results")
  failed=$(grep -c ' error-' "$1/$2/results" || true)
  { diff "$1/$2/results" "$1/$3/results" || true; } |
    sed -n 's/^[<>] \(.*\) [^ ]*$/differs: \1/p' | sort -u | tee "$1/differ"
  differ=$(wc -l < "$1/differ")
  echo "$total objects, of them without a network or refused by both: $failed; differ: $differ"
  echo "CPU seconds: $2 $(cat "$1/$2/cpu"), $3 $(cat "$1/$3/cpu")"
  [ "$differ" = 0 ]
}
