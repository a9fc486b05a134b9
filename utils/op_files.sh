#!/bin/sh
# Files of include/, lib/ and tools/ that name an op of the language, comments left out: as MC_OP_OP,
# by its attributes, by a function mc_infer_OP, mc_eval_OP ..., or as a row of a table.
#
#   utils/op_files.sh OP...          a line "OP FILE" for each
#   utils/op_files.sh -c OP...       a line "OP NUMBER" for each op
#   utils/op_files.sh -C DIR OP...   of the tree in DIR
#
# Exit codes: 0, 2 usage.
set -eu
root=$(dirname "$0")/.. count=
usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
while getopts cC: o; do
  case $o in
    c) count=1 ;;
    C) root=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
cd "$root"

# gcc -fpreprocessed takes comments away and expands nothing.
names() {
  as_code="(MC_OP_|mc_attrs_|mc_(infer|eval|real|emit|prepare|whole)_|check_)$2($|[^A-Za-z0-9_])"
  as_row="(MC_ATTRS\([a-z>-]+, *|MC_OP\(|MC_(UNARY|BINARY|REDUCE)_\(|PLAIN\()$2[,)]"
  gcc -fpreprocessed -dD -E -P -x c "$1" 2>/dev/null | grep -qE "$as_code|$as_row"
}

for op; do
  n=0
  for f in $(grep -rlE --include='*.[ch]' --include='*.def' "$op" include lib tools | sort); do
    names "$f" "$op" || continue
    n=$((n + 1))
    [ "$count" ] || echo "$op $f"
  done
  [ -z "$count" ] || echo "$op $n"
done
