#!/bin/sh
# Run clang-tidy-19 with .clang-tidy over the C files of a build.
#
#   utils/tidy.sh [-b BUILD] [-j JOBS] [FILE...]
#
# BUILD: a configured build (default build/release), whose compile_commands.json names the files;
# FILE: only those whose path ends so. Files that the build makes are left out.
# Example: utils/tidy.sh plan/chain.c
# Exit codes: 0 nothing found, 1 findings, 2 usage, or nothing to look at.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release jobs=$(nproc)
while [ $# -gt 0 ]; do
  case "$1" in
    -b) build=${2:?'-b takes a folder'} && shift 2 ;;
    -j) jobs=${2:?'-j takes a number'} && shift 2 ;;
    -h | --help | -help) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 0 ;;
    -*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) break ;;
  esac
done
commands=$build/compile_commands.json
[ -f "$commands" ] || {
  echo "tidy: there is no $commands: configure with cmake --preset release first" >&2
  exit 2
}
files=$(/usr/bin/python3 - "$commands" "$root/build/" "$@" << 'PYTHON'
import json, sys
commands, built, *ends = sys.argv[1:]
files = {c["file"] for c in json.load(open(commands)) if not c["file"].startswith(built)}
print("\n".join(sorted(f for f in files if not ends or f.endswith(tuple(ends)))))
PYTHON
)
[ -n "$files" ] || {
  echo "tidy: no file of $commands ends so: $*" >&2
  exit 2
}
echo "$files" |
  xargs -P "$jobs" -n 8 clang-tidy-19 --quiet -p "$build" 2> "$build/tidy.log" || exit 1
