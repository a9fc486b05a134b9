#!/bin/sh
# Install the Debian 12 packages that mcc needs, only those that are missing.
# usage: utils/setup.sh build|test
set -eu
build="cmake ninja-build gcc libc6-dev pkg-config python3 flex bison llvm-19-dev libzip-dev zlib1g-dev libjansson-dev libprotobuf-c-dev protobuf-c-compiler libopenblas-dev liblapacke-dev"
test="llvm-19-tools python3-numpy python3-psutil clang-19 libclang-rt-19-dev qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
case "${1:-}" in
  build) want="$build" ;;
  test) want="$build $test" ;;
  *) echo "usage: utils/setup.sh build|test" >&2; exit 2 ;;
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
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
