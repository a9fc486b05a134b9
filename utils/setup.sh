#!/bin/sh
# Install the Debian 12 packages that mcc needs, only those that are missing.
# usage: utils/setup.sh build|test|long
# Not installed here: bochs, an optional emulator for AVX-512 (CONTRIBUTING.md); bench/setup.sh has the peers.
set -eu
build="cmake ninja-build gcc libc6-dev pkg-config python3 flex bison llvm-19-dev libzip-dev zlib1g-dev libjpeg62-turbo-dev libpng-dev libjansson-dev libprotobuf-c-dev protobuf-c-compiler libopenblas-dev liblapacke-dev"
test="parallel llvm-19-tools python3-numpy python3-psutil clang-19 clang-format-19 libclang-rt-19-dev qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
long="slurm-wlm clang-tidy-19"
case "${1:-}" in
  build) want="$build" ;;
  test) want="$build $test" ;;
  long) want="$build $test $long" ;;
  *) echo "usage: utils/setup.sh build|test|long" >&2; exit 2 ;;
esac
missing=""
for p in $want; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
  sudo="sudo"
  command -v sudo >/dev/null || { echo "error: these packages are missing and neither root nor sudo is at hand:$missing" >&2; exit 1; }
fi
export DEBIAN_FRONTEND=noninteractive
# Another apt or dpkg may be at work (unattended upgrades): wait for its locks, up to 10 minutes.
# DPkg::Lock::Timeout does not cover the lock of the package lists; for that one we try again.
options="-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -qq"
waits=60
# shellcheck disable=SC2086
until said=$($sudo env LC_ALL=C apt-get $options update 2>&1); do
  case "$said" in
    *"get lock"*) ;;
    *) echo "$said" >&2; echo "error: apt-get update failed" >&2; exit 1 ;;
  esac
  waits=$((waits - 1))
  [ "$waits" -gt 0 ] || { echo "$said" >&2; exit 1; }
  [ "$waits" != 59 ] || echo "another apt is at work: waiting for it"
  sleep "${MCC_SETUP_WAIT:-10}"
done
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get $options install -y --no-install-recommends \
  $missing >/dev/null
