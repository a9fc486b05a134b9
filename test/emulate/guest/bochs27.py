"""bochs27.py OBJECT...: changes objects for Bochs 2.7, which does two instructions wrongly.

An EVEX-encoded vpextrw to memory: its byte of displacement is taken as it is, where processors take
twice as much. It is doubled. Where that is no byte, and where there is a vcvtps2ph, which rounds ties
up and not to even, the object is named and the status is 1."""
import re
import subprocess
import sys

status = 0
for path in sys.argv[1:]:
    data = bytearray(open(path, "rb").read())
    sections = {}
    for m in re.finditer(r"^ +\d+ (\S+) +(\w+) +(\w+) +\w+ +(\w+) ", subprocess.run(["objdump", "-hw", path], capture_output=True, text=True).stdout, re.M):
        sections[m[1]] = int(m[4], 16) - int(m[3], 16)   # file offset of address 0
    section, halves = None, False
    for line in subprocess.run(["objdump", "-dw", path], capture_output=True, text=True).stdout.splitlines():
        if m := re.match(r"Disassembly of section (\S+):", line):
            section = m[1]
        if "\tvcvtps2ph" in line:
            halves = True
        m = re.match(r" +(\w+):\t(62 (?:\w\w ){3}15 (?:\w\w )+) *\tvpextrw", line)
        if not m:
            continue
        code = bytes.fromhex(m[2])
        mod, at = code[5] >> 6, 7 if code[5] & 7 == 4 else 6
        if mod != 1:
            continue
        disp = 2 * int.from_bytes(code[at:at + 1], "little", signed=True)
        if not -128 <= disp < 128:
            print(f"{path}: a displacement that Bochs 2.7 cannot take")
            status = 1
            continue
        data[sections[section] + int(m[1], 16) + at] = disp & 255
    if halves:
        print(f"{path}: a rounding to f16 that Bochs 2.7 does wrongly")
        status = 1
    open(path, "wb").write(data)
sys.exit(status)
