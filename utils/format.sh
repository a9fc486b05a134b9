#!/bin/sh
# Lay out the C code of the tree: clang-format-19 with .clang-format. Tables (.def) are laid out by
# hand, 100 columns wide as well.
#
#   utils/format.sh           change the files
#   utils/format.sh --check   change nothing; print what is different or wider than 100 columns
#
# Exit codes: 0 all as it should be, 1 something is not, 2 usage.
set -eu
cd "$(dirname "$0")/.."
files() {
  find include lib tools rt test bench examples -type d -name 'build*' -prune -o \
    \( -name '*.[ch]' "$@" \) -print
}
case "${1:-}" in
  '') files | xargs clang-format-19 -i ;;
  --check)
    files | xargs clang-format-19 --dry-run -Werror
    if files -o -name '*.def' | xargs grep -nE '^.{101}'; then
      echo "these lines are wider than 100 columns" >&2
      exit 1
    fi ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2 ;;
esac
