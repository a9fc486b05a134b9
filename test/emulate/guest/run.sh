#!/bin/sh
# Runs cases of kernels-sweep for a level with AVX-512 in Bochs, an emulator that has it: bit for bit,
# on a machine without it. The guest is no operating system: boot.S, libc.c, sweep_run.c, the objects.
set -eu
if [ $# -lt 3 ] || [ "$1" = --help ]; then
  echo "usage: run.sh KERNELS-SWEEP FOLDER LEVEL [options of kernels-sweep]"
  echo "       run.sh - FOLDER LEVEL     what is in FOLDER already (nets --emit)"
  echo "example: run.sh build/release/test/unit/kernels-sweep /tmp/guest avx512vnni --every=10 depthwise"
  exit 2
fi
sweep=$1 dir=$2 level=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
command -v bochs >/dev/null || { echo "run.sh: bochs is missing: apt-get install bochs bochsbios vgabios" >&2; exit 2; }
if [ "$sweep" != - ]; then
  rm -rf "$dir" && mkdir -p "$dir"
  "$sweep" --march="$level" --emit="$dir" "$@"
fi
cd "$dir"
# Cases that this Bochs would run wrongly are left out, and named.
for object in c[0-9]*.o; do
  /usr/bin/python3 "$here/bochs27.py" "$object" || sed -i "s/^\\(CASE(${object%.o}, \"[^\"]*\", \\)[^,]*,/\\1-1,/" cases.def
done
flags="-O1 -fno-stack-protector -fno-pic -mno-red-zone"
gcc $flags -I. -c "$here/../../kernels/sweep_run.c" -o run.o
gcc $flags -ffreestanding -w -c "$here/libc.c" -o libc.o
printf '.section .guest_data,"aw"\n.incbin "cases.bin"\n.section .note.GNU-stack\n' | gcc -x assembler -c - -o data.o
ld -static --no-warn-rwx-segments -T "$here/guest.ld" -o guest.elf libc.o run.o data.o c*.o
objcopy -O binary guest.elf guest.bin
sectors=$((($(stat -c %s guest.bin) + 511) / 512))
gcc -x assembler-with-cpp -DSECTORS=$sectors -c "$here/boot.S" -o boot.o
ld -static --no-warn-rwx-segments -Ttext=0x7c00 --oformat binary -o boot.bin boot.o
# A disk of whole cylinders: 16 heads, 63 sectors.
cylinders=$(((sectors + 1) / 1008 + 1))
cat boot.bin guest.bin >disk && truncate -s $((cylinders * 1008 * 512)) disk
cat >bochsrc <<END
display_library: rfb, options="timeout=0"
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-legacy
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_icelake_u, count=1, ips=10000000, reset_on_triple_fault=0
clock: sync=none
boot: disk
ata0: enabled=1
ata0-master: type=disk, path=disk, mode=flat, cylinders=$cylinders, heads=16, spt=63
port_e9_hack: enabled=1
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
END
echo continue >commands
# Debian's Bochs has a debugger, which waits for commands.
bochs -q -f bochsrc -rc commands </dev/null >screen 2>&1 || :
grep -e ': differs' -e ': left out' -e ' agree' -e '^exit' screen || { echo "run.sh: the guest said nothing; see $dir/screen and bochs.log" >&2; exit 1; }
grep -q '^exit 0' screen
