#!/bin/sh
# Runs command lines as an array of Slurm jobs: a runner for mc-search.
#   mc-search ... --runner='examples/search/slurm.sh --partition=cpu --mem=4G'
# The lines come on standard input; what they print goes to standard output as they end. Arguments go to
# sbatch. The nodes must see the working folder of mc-search under the same name.
set -eu
if [ "${1:-}" = --help ]; then
  sed -n '2,5s/^# //p' "$0"
  exit 0
fi
folder=$(mktemp -d "$PWD/slurm.XXXXXX")
job=
finish() {
  [ -z "$job" ] || scancel "$job" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 143' INT TERM HUP
cat >"$folder/lines"
lines=$(wc -l <"$folder/lines")
[ "$lines" -gt 0 ] || exit 0
# An answer gets its name when it is whole.
cat >"$folder/task.sh" <<'END'
#!/bin/sh
sed -n "${SLURM_ARRAY_TASK_ID}p" "$1/lines" >"$1/$SLURM_ARRAY_TASK_ID.sh"
sh "$1/$SLURM_ARRAY_TASK_ID.sh" >"$1/$SLURM_ARRAY_TASK_ID.part" </dev/null
status=$?
mv "$1/$SLURM_ARRAY_TASK_ID.part" "$1/$SLURM_ARRAY_TASK_ID.out"
exit $status
END
answers() {
  for f in "$folder"/*.out; do
    [ -e "$f" ] || continue
    cat "$f"
    rm "$f"
  done
}
job=$(sbatch --parsable --job-name=mc-search --array="1-$lines" --output="$folder/log.%a" \
  "$@" "$folder/task.sh" "$folder")
while [ -n "$(squeue --noheader --jobs="$job" 2>/dev/null)" ]; do
  answers
  sleep "${MC_SEARCH_POLL:-2}"
done
answers
job=
cat "$folder"/log.* >&2 2>/dev/null || true
